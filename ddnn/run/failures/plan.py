"""The failure plan: what fails when, as a YAML file. The same plan drives launch and evaluation.

    name: best-camera-dies
    topology: six-cameras          # the topology it is for
    seed: 0                        # which messages a drop or corrupt hits
    failures:
      - {at: {sample: 100}, node: cam4, kind: kill, for: {samples: 50}}
      - {at: {seconds: 2}, link: [cam0, gateway], kind: delay, delay_ms: 40, jitter_ms: 20}
      - {at: {seconds: 0}, link: [cam1, gateway], kind: trace, file: radio.csv}

A sample is exact: everything before it is answered first. Seconds count from the first capture.

Axes: N samples, V views.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ddnn.errors import ConfigError
from ddnn.run.failures.failure import FAILURE_KINDS as FAILURE_KINDS
from ddnn.run.failures.failure import SILENT as SILENT
from ddnn.run.failures.failure import Failure as Failure
from ddnn.run.failures.failure import parse_failure as parse_failure
from ddnn.run.failures.traces import read_trace
from ddnn.shipped import find
from ddnn.topology import COLLECTOR, Model, Name, Topology
from ddnn.wire.routes import routes
from ddnn.yamlfile import read_yaml


class FailurePlan(Model):
    """A checked plan file."""

    name: Name = "plan"
    topology: Name
    seed: int = Field(0, ge=0, le=2**32)
    failures: tuple[Failure, ...] = Field(strict=False, max_length=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A failure's beginning, or its end (`ends`), at a sample or a second."""

    failure: Failure
    ends: bool
    sample: int | None
    seconds: float | None


class _Entry(NamedTuple):
    """A failure, and where it is written: a file's key path, or an option as it was typed."""

    failure: Failure
    place: str
    is_option: bool = False

    def where(self, key: str) -> str:
        """How a message about one of its keys begins."""
        return f"{self.place}: " if self.is_option else f"{self.place}.{key}: "


def read_plan(path: str | Path) -> FailurePlan:
    """The plan of a file, or of a shipped name such as `best-camera-dies`, traces read.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    found = find("topologies/plans", str(path))
    plan = read_yaml(found, FailurePlan)
    read = [_with_steps(failure, Path(found).parent) for failure in plan.failures]
    return plan.model_copy(update={"failures": tuple(read)})


def _with_steps(failure: Failure, folder: Path) -> Failure:
    if failure.file is None:
        return failure
    return failure.model_copy(update={"steps": read_trace(folder / failure.file)})


def plan_for(
    topology: Topology,
    samples: int | None,
    *,
    name: str | None = None,
    kills: Sequence[str] = (),
    recovers: Sequence[str] = (),
) -> FailurePlan:
    """The plan of a file or shipped name, and of options written NODE@SAMPLE, checked.

    samples: how many the run has, None where nobody knows.
    Raises ConfigError naming file and key path, or the option as it was typed.
    """
    entries = _option_entries(topology, kills, recovers)
    plan = FailurePlan(name="options", topology=topology.name, failures=())
    if name is not None:
        source = str(find("topologies/plans", name))
        plan = read_plan(name)
        _check_topology(plan, topology, source)
        entries = _plan_entries(plan, source) + entries
    _check_entries(entries, topology, samples)
    return plan.model_copy(update={"failures": tuple(entry.failure for entry in entries)})


def plan_of(
    topology: Topology, *, kills: Sequence[str] = (), recovers: Sequence[str] = ()
) -> FailurePlan:
    """The plan of options written NODE@SAMPLE, for a run of any length."""
    return plan_for(topology, None, kills=kills, recovers=recovers)


def check_plan(plan: FailurePlan, topology: Topology, samples: int) -> None:
    """Raises ConfigError where the plan does not fit the topology or the run."""
    source = f"plan {plan.name}"
    _check_topology(plan, topology, source)
    _check_entries(_plan_entries(plan, source), topology, samples)


def _plan_entries(plan: FailurePlan, source: str) -> list[_Entry]:
    numbered = enumerate(plan.failures)
    return [_Entry(failure, f"{source}: failures.{number}") for number, failure in numbered]


def _option_entries(
    topology: Topology, kills: Sequence[str], recovers: Sequence[str]
) -> list[_Entry]:
    entries = []
    for kind, text in [("kill", text) for text in kills] + [("recover", t) for t in recovers]:
        match = re.fullmatch(r"([^@]+)@(\d{1,9})", text)
        if match is None:
            raise ConfigError(f"--{kind}: got {text!r}, want NODE@SAMPLE, for example cam4@100")
        place = f"--{kind} {text}"
        check_node(match[1], topology, where=f"{place}: ")
        failure = parse_failure({"node": match[1], "kind": kind, "at": {"sample": int(match[2])}})
        entries.append(_Entry(failure, place, is_option=True))
    return entries


def _check_topology(plan: FailurePlan, topology: Topology, source: str) -> None:
    if plan.topology != topology.name:
        raise ConfigError(
            f"{source}: topology: got {plan.topology!r}, this run's is {topology.name!r}"
        )


def _check_entries(entries: Sequence[_Entry], topology: Topology, samples: int | None) -> None:
    for entry in entries:
        failure = entry.failure
        key = "link" if failure.node is None else "node"
        check_failure(failure, topology, where=entry.where(key))
        at = failure.at.sample
        if at is not None and samples is not None and at >= samples:
            raise ConfigError(
                f"{entry.where('at.sample')}got {at}, the run has samples 0 to {samples - 1}"
            )
    if all(entry.failure.at.sample is not None for entry in entries):
        _check_order(entries, topology)


def _check_order(entries: Sequence[_Entry], topology: Topology) -> None:
    """Who is killed or stopped must run, who recovers must have failed.

    For failures at samples: at which sample one at a second comes, nobody can know.
    """
    active: list[_Entry] = []
    for entry, ends in _moments(entries):
        failure = entry.failure
        here = [other for other in active if _holds(other.failure, failure.where, topology)]
        if ends:
            active = [other for other in active if other is not entry]
        elif failure.kind != "recover":
            _check_runs(entry, [other.failure for other in here], topology)
            active.append(entry)
        elif here:
            active = [other for other in active if other not in here]
        else:
            raise ConfigError(
                f"{entry.where('kind')}recover: {failure.where} has not failed before, want a "
                "failure to recover from"
            )


def _moments(entries: Sequence[_Entry]) -> list[tuple[_Entry, bool]]:
    """Every beginning, and every end (True), in the order in which a run meets them."""
    found = []
    for entry in entries:
        at, span = entry.failure.at.sample or 0, entry.failure.duration
        found.append((at, entry, False))
        if span is not None:
            found.append((at + (span.samples or 0), entry, True))
    return [(entry, ends) for _, entry, ends in sorted(found, key=lambda moment: moment[0])]


def _check_runs(entry: _Entry, active: Sequence[Failure], topology: Topology) -> None:
    """Raises ConfigError for a kill or hang of a node that is dead, or a second hang."""
    failure = entry.failure
    if failure.node is None or topology.nodes[failure.node].restart not in ("never", 0):
        return
    for kind, word, refused in (("kill", "dead", ("kill", "hang")), ("hang", "stopped", ("hang",))):
        since = [f.at.sample for f in active if f.kind == kind]
        if since and failure.kind in refused:
            raise ConfigError(
                f"{entry.where('kind')}{failure.kind}: {failure.node} is {word} since sample "
                f"{since[0]}, want it running"
            )


def failure_by_hand(request: dict[str, Any], topology: Topology) -> Failure:
    """The failure that a person asks for, now, from the fields of a plan's entry without `at`.

    Raises ConfigError in one line.
    """
    failure = parse_failure(request | {"at": {"seconds": 0.0}})
    check_failure(failure, topology, where=f"{failure.kind}: ")
    return failure


def check_failure(failure: Failure, topology: Topology, *, where: str) -> None:
    """Raises ConfigError, beginning with `where`, if the topology has no such node or link."""
    if failure.kind == "trace" and not failure.steps:
        raise ConfigError(f"{where}got a file that was not read, want the trace in a plan's file")
    if failure.node is not None:
        check_node(failure.node, topology, where=where)
        return
    links = {(sender, receiver) for sender, receiver, _ in routes(topology)}
    if failure.link not in links:
        raise ConfigError(f"{where}no link from {' to '.join(failure.link or ())}")
    if failure.at_node == COLLECTOR:
        raise ConfigError(f"{where}starts at the collector, want a node's link")


def check_node(node: str, topology: Topology, *, where: str = "") -> None:
    """Raises ConfigError if the topology has no such node."""
    if node not in topology.nodes:
        raise ConfigError(f"{where}no node named {node!r} (known: {', '.join(topology.nodes)})")


def actions(plan: FailurePlan) -> list[Action]:
    """Every beginning and end, in the order of the file within one instant."""
    found = []
    for failure in plan.failures:
        at, span = failure.at, failure.duration
        found.append(Action(failure=failure, ends=False, sample=at.sample, seconds=at.seconds))
        if span is not None:
            sample = None if at.sample is None else at.sample + (span.samples or 0)
            seconds = None if at.seconds is None else at.seconds + (span.seconds or 0.0)
            found.append(Action(failure=failure, ends=True, sample=sample, seconds=seconds))
    return found


def returning_nodes(pending: Sequence[Action]) -> set[str]:
    """The nodes of which these will end a failure."""
    return {a.failure.at_node for a in pending if a.ends or a.failure.kind == "recover"}


def presence(plan: FailurePlan, topology: Topology, samples: int) -> NDArray[np.bool_]:
    """(N, V): which devices are there for each sample, for offline evaluation.

    As a run has it where no policy starts a device again. Raises ConfigError for a failure that
    does not silence a device at a sample: what that does, only a run can tell.
    """
    for number, failure in enumerate(plan.failures):
        where = f"plan {plan.name}: failures.{number}"
        if failure.at.sample is None:
            raise ConfigError(f"{where}.at: got seconds, want a sample: offline nothing takes time")
        if failure.node not in topology.devices:
            raise ConfigError(f"{where}: got {failure.where}, offline want a device")
        if failure.kind not in (*SILENT, "recover"):
            raise ConfigError(f"{where}.kind: got {failure.kind}, offline want {', '.join(SILENT)}")
    present_NV: NDArray[np.bool_] = np.ones((samples, topology.views), dtype=bool)
    in_force: list[Failure] = []
    for action in sorted(actions(plan), key=lambda action: action.sample or 0):
        failure = action.failure
        here = [other for other in in_force if _holds(other, failure.where, topology)]
        if failure.kind == "recover":
            in_force = [other for other in in_force if other not in here]
        elif not action.ends:
            in_force.append(failure)
        elif failure in here:
            in_force.remove(failure)
            here.remove(failure)
            if failure.kind == "kill" and "kill" not in {other.kind for other in here}:
                # a new process is not stopped
                in_force = [f for f in in_force if f not in here or f.kind != "hang"]
        for name in topology.devices:
            silenced = any(_holds(other, name, topology) for other in in_force)
            present_NV[action.sample :, topology.view_number(name)] = not silenced
    return present_NV


def _holds(failure: Failure, where: str, topology: Topology) -> bool:
    """Whether it is a failure of this node or link: a kill or a hang is of a process, with all
    nodes in it."""
    if failure.node is not None and failure.kind in ("kill", "hang"):
        return where in topology.pack(failure.node)
    return failure.where == where
