"""What goes wrong in a simulation and when: a file that replays it bit for bit.

topology: six-cameras
seed: 5
samples: 20000
troubles:
  - {at_s: 0.05, for_s: 0.3, kind: kill, node: cam0}
  - {at_s: 0.10, for_s: 0.5, kind: cut, link: [collector, gateway]}
  - {at_s: 0.20, for_s: 0.5, kind: crash}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from ddnn.errors import ConfigError
from ddnn.run.failures.failure import Failure, parse_failure
from ddnn.run.failures.plan import FailurePlan
from ddnn.simulation.network import Conditions
from ddnn.simulation.profile import Profile
from ddnn.topology import COLLECTOR, Model, Name, Topology
from ddnn.wire.routes import routes
from ddnn.yamlfile import read_yaml, to_yaml

PlanKind = Literal["kill", "hang", "slow", "delay", "drop", "corrupt", "partition"]
OwnKind = Literal["cut", "reorder", "replay", "reboot", "freeze", "crash"]
PLAN_KINDS: tuple[str, ...] = get_args(PlanKind)
"""Those of a failure plan; see ddnn.run.failures.failure."""
OWN_KINDS: tuple[str, ...] = get_args(OwnKind)
"""cut, reorder, replay (what was said is said again): one direction between two processes, the
collector's included. reboot: all nodes
of a host, whose clock starts anew. freeze: the collector does nothing. crash: the collector is
gone, and a new run begins."""
OF_LINKS = ("cut", "reorder", "replay")


class Trouble(Model):
    """One thing that goes wrong for a time."""

    at_s: float = Field(ge=0, le=1e6)
    for_s: float = Field(gt=0, le=1e6)
    kind: PlanKind | OwnKind
    node: Name | None = None
    link: tuple[Name, Name] | None = Field(None, strict=False, description="from, to")
    share: float = Field(0.3, gt=0, le=1, description="drop, corrupt, reorder: of messages")
    delay_ms: float = Field(50, gt=0, le=60_000)
    factor: float = Field(10, gt=1, le=1e6, description="slow: times the section's own time")

    @model_validator(mode="after")
    def _fits(self) -> Trouble:
        if self.kind in ("freeze", "crash"):
            if self.node is not None or self.link is not None:
                raise ValueError(f"{self.kind}: hits the collector, want no node and no link")
        elif (self.node is None) == (self.link is None):
            raise ValueError(f"{self.kind}: want either node or link")
        if self.kind in OF_LINKS and self.link is None:
            raise ValueError(f"{self.kind}: want a link")
        if self.kind in ("kill", "hang", "slow", "reboot") and self.node is None:
            raise ValueError(f"{self.kind}: want a node")
        return self

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s

    @property
    def text(self) -> str:
        """For a person: `0.050000 s for 0.300 s: kill cam0`."""
        where = self.node if self.link is None else " to ".join(self.link)
        return f"{self.at_s:.6f} s for {self.for_s:.3f} s: {self.kind} {where or ''}".rstrip()

    def failure(self) -> Failure:
        """As a plan has it; for the kinds of PLAN_KINDS."""
        entry: dict[str, Any] = {
            "at": {"seconds": self.at_s},
            "for": {"seconds": self.for_s},
            "kind": self.kind,
        }
        entry |= {"node": self.node} if self.node is not None else {"link": list(self.link or ())}
        strengths = {
            "delay": {"delay_ms": self.delay_ms},
            "drop": {"share": self.share},
            "corrupt": {"share": self.share},
            "slow": {"factor": self.factor},
        }
        return parse_failure(entry | strengths.get(self.kind, {}))


class Schedule(Model):
    """A checked schedule file: everything on which a simulation of a bundle depends."""

    topology: Name
    seed: int = Field(0, ge=0, le=2**63)
    samples: int = Field(1000, ge=1, le=10**9)
    window: int | None = Field(None, ge=1, le=256)
    rate_hz: float | None = Field(None, gt=0, le=1e6, description="samples asked for in a second")
    devices: int | None = Field(None, ge=1, le=4096)
    shifted_clocks: bool = False
    conditions: Conditions = Conditions()
    profile: Profile = Profile()
    troubles: tuple[Trouble, ...] = Field((), strict=False, max_length=1_000_000)


def read_schedule(path: str | Path, topology: Topology) -> Schedule:
    """The schedule of a file. Raises ConfigError for one of another topology."""
    schedule = read_yaml(Path(path), Schedule)
    if schedule.topology != topology.name:
        raise ConfigError(
            f"{path}: topology: got {schedule.topology!r}, this run's is {topology.name!r}"
        )
    return schedule


def check_troubles(schedule: Schedule, topology: Topology, *, source: str) -> None:
    """Raises ConfigError for a node or link that the topology does not have."""
    links = {(sender, receiver) for sender, receiver, _ in routes(topology)}
    for number, trouble in enumerate(schedule.troubles):
        where = f"{source}: troubles.{number}"
        if trouble.node is not None and trouble.node not in topology.nodes:
            raise ConfigError(f"{where}.node: no node named {trouble.node!r}")
        if trouble.link is not None and trouble.link not in links:
            raise ConfigError(f"{where}.link: no link from {' to '.join(trouble.link)}")
        if trouble.kind in PLAN_KINDS and trouble.link and trouble.link[0] == COLLECTOR:
            raise ConfigError(f"{where}: {trouble.kind} starts at the collector, want cut")


def schedule_text(schedule: Schedule) -> str:
    """The schedule as a file that `read_schedule` takes: what is default is left out."""
    return to_yaml(
        schedule.model_dump(mode="json", exclude_defaults=True) | {"seed": schedule.seed}
    )


def check_kinds(plan: FailurePlan) -> None:
    """Raises ConfigError for a plan that flips bits."""
    for number, failure in enumerate(plan.failures):
        if failure.kind == "bitflip":
            raise ConfigError(
                f"plan {plan.name}: failures.{number}.kind: got bitflip, want another: a simulation"
                " looks features up and holds verdicts to the model; `ddnn launch` flips bits"
            )
