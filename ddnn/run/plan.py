"""The failure plan: what fails when, as a YAML file. The same plan drives launch and evaluation.

    name: best-camera-dies
    topology: six-cameras          # the topology it is for
    seed: 0                        # which messages a drop or corrupt hits
    failures:
      - {at: {sample: 100}, node: cam4, kind: kill, for: {samples: 50}}
      - {at: {seconds: 2}, link: [cam0, gateway], kind: delay, delay_ms: 40, jitter_ms: 20}

A sample is exact: everything before it is answered first. Seconds count from the first capture.

Axes: N samples, V views.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from ddnn.errors import ConfigError
from ddnn.share import find
from ddnn.topology import COLLECTOR, Model, Name, Topology
from ddnn.wire.faulty import EVERYONE, LINK_FAULT_KINDS, LinkFault
from ddnn.wire.routes import routes
from ddnn.yamlfile import read_yaml

FailureKind = Literal["kill", "hang", "delay", "drop", "corrupt", "partition", "slow", "recover"]
FAILURE_KINDS: tuple[str, ...] = get_args(FailureKind)
SILENT = ("kill", "hang", "partition")
"""Kinds after which nothing of a node arrives: offline, it is masked."""


class At(Model):
    """A sample or a second of the run."""

    sample: int | None = Field(None, ge=0, le=2**31)
    seconds: float | None = Field(None, ge=0, le=1e6)

    @model_validator(mode="after")
    def _one(self) -> At:
        if (self.sample is None) == (self.seconds is None):
            raise ConfigError("at: want either sample or seconds")
        return self


class Span(Model):
    """A number of samples or of seconds."""

    samples: int | None = Field(None, ge=1, le=2**31)
    seconds: float | None = Field(None, gt=0, le=1e6)

    @model_validator(mode="after")
    def _one(self) -> Span:
        if (self.samples is None) == (self.seconds is None):
            raise ConfigError("for: want either samples or seconds")
        return self


class Failure(Model):
    """One entry of a plan."""

    at: At
    node: Name | None = None
    link: tuple[Name, Name] | None = Field(None, description="from, to")
    kind: FailureKind
    duration: Span | None = Field(None, alias="for", description="default: for good")
    delay_ms: float = Field(50, gt=0, le=60_000, description="delay: added to each message")
    jitter_ms: float = Field(0, ge=0, le=60_000, description="delay: uniform, on top")
    share: float = Field(0.1, gt=0, le=1, description="drop, corrupt: of messages")
    factor: float = Field(10, gt=1, le=1e6, description="slow: times the section's own time")

    @model_validator(mode="after")
    def _fits(self) -> Failure:
        if (self.node is None) == (self.link is None):
            raise ConfigError(f"{self.kind}: want either node or link")
        if self.link is not None and self.kind not in (*LINK_FAULT_KINDS, "recover"):
            raise ConfigError(f"{self.kind}: fails a node, not a link; want node")
        if self.duration and (self.at.sample is None) != (self.duration.samples is None):
            raise ConfigError("for: want samples with a sample, seconds with seconds")
        if self.duration and self.kind == "recover":
            raise ConfigError("recover: takes no duration")
        for key, kinds in _KNOBS.items():
            if key in self.model_fields_set and self.kind not in kinds:
                raise ConfigError(f"{self.kind}: has no {key} (that is for {', '.join(kinds)})")
        return self

    @property
    def at_node(self) -> str:
        """The node whose process, transport or engine this touches."""
        return self.node if self.node is not None else self._link[0]

    @property
    def peer(self) -> str:
        """For a link kind: what is sent to this node is hit, EVERYONE: all in and out."""
        return EVERYONE if self.node is not None else self._link[1]

    @property
    def _link(self) -> tuple[str, str]:
        assert self.link is not None
        return self.link

    @property
    def where(self) -> str:
        """The node, or the link as `from:to`."""
        return self.node if self.node is not None else ":".join(self._link)

    def link_fault(self) -> LinkFault:
        """What the transport at `at_node` is to do; for the kinds of LINK_FAULT_KINDS."""
        return LinkFault(
            kind=self.kind,  # type: ignore[arg-type]  # one of them, see above
            share=self.share,
            delay_s=self.delay_ms / 1000,
            jitter_s=self.jitter_ms / 1000,
        )


_KNOBS = {
    "delay_ms": ("delay",),
    "jitter_ms": ("delay",),
    "share": ("drop", "corrupt"),
    "factor": ("slow",),
}


class FailurePlan(Model):
    """A checked plan file."""

    name: Name = "plan"
    topology: Name
    seed: int = Field(0, ge=0, le=2**32)
    failures: tuple[Failure, ...] = Field(max_length=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A failure's beginning, or its end (`ends`), at a sample or a second."""

    failure: Failure
    ends: bool
    sample: int | None
    seconds: float | None


def read_plan(path: str | Path) -> FailurePlan:
    """The plan of a file, or of a shipped name such as `best-camera-dies`.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    return read_yaml(find("topologies/plans", str(path)), FailurePlan)


def check_plan(plan: FailurePlan, topology: Topology, samples: int) -> None:
    """Raises ConfigError where the plan does not fit the topology or the run."""
    if plan.topology != topology.name:
        raise ConfigError(
            f"plan {plan.name}: is for topology {plan.topology!r}, this run's is {topology.name!r}"
        )
    for number, failure in enumerate(plan.failures):
        where = f"plan {plan.name}: failures.{number}."
        check_failure(failure, topology, where=where)
        if failure.at.sample is not None and failure.at.sample >= samples:
            raise ConfigError(
                f"{where}at.sample: {failure.at.sample}, the run has samples 0 to {samples - 1}"
            )


def check_failure(failure: Failure, topology: Topology, *, where: str) -> None:
    """Raises ConfigError if the topology has no such node or link."""
    if failure.node is not None:
        check_node(failure.node, topology, where=f"{where}node: ")
        return
    links = {(sender, receiver) for sender, receiver, _ in routes(topology)}
    if failure.link not in links:
        raise ConfigError(f"{where}link: no link from {' to '.join(failure.link or ())}")
    if failure.at_node == COLLECTOR:
        raise ConfigError(f"{where}link: starts at the collector, want a node's link")


def parse_failure(entry: dict[str, Any]) -> Failure:
    """A failure from its fields. Raises ConfigError in one line."""
    try:
        return Failure.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def plan_of(
    topology: Topology, *, kills: Sequence[str] = (), recovers: Sequence[str] = ()
) -> FailurePlan:
    """The plan of options written NODE@SAMPLE.

    Raises ConfigError for another form.
    """
    written = [("kill", text) for text in kills] + [("recover", text) for text in recovers]
    entries = []
    for kind, text in written:
        match = re.fullmatch(r"([^@]+)@(\d{1,9})", text)
        if match is None:
            raise ConfigError(f"--{kind}: got {text!r}, want NODE@SAMPLE, for example cam4@100")
        check_node(match[1], topology, where=f"--{kind} {text}: ")
        entries.append({"node": match[1], "kind": kind, "at": {"sample": int(match[2])}})
    failures = tuple(parse_failure(entry) for entry in entries)
    return FailurePlan(name="options", topology=topology.name, failures=failures)


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


def presence(plan: FailurePlan, topology: Topology, samples: int) -> NDArray[np.bool_]:
    """(N, V): which devices are there for each sample, for offline evaluation.

    Exact for kinds that silence a device at a sample; others leave it present.
    """
    present_NV: NDArray[np.bool_] = np.ones((samples, topology.views), dtype=bool)
    for action in sorted(
        (action for action in actions(plan) if action.sample is not None),
        key=lambda action: action.sample or 0,
    ):
        failure = action.failure
        if failure.node in topology.devices:
            back = action.ends or failure.kind == "recover"
            if back or failure.kind in SILENT:
                present_NV[action.sample :, topology.devices.index(failure.node)] = back
    return present_NV
