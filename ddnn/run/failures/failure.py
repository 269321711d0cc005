"""One failure: what fails, when, how long, how strongly. An entry of a plan, or asked for live."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from ddnn.report.tables import with_values
from ddnn.topology import Model, Name
from ddnn.wire.faulty import EVERYONE, LINK_FAULT_KINDS, LinkFault
from ddnn.wire.trace import TraceStep
from ddnn.yamlfile import check_values

FailureKind = Literal[
    "kill", "hang", "delay", "drop", "corrupt", "bitflip", "partition", "trace", "slow", "recover"
]
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
            raise ValueError("want either sample or seconds")
        return self


class Span(Model):
    """A number of samples or of seconds."""

    samples: int | None = Field(None, ge=1, le=2**31)
    seconds: float | None = Field(None, gt=0, le=1e6)

    @model_validator(mode="after")
    def _one(self) -> Span:
        if (self.samples is None) == (self.seconds is None):
            raise ValueError("want either samples or seconds")
        return self


class Failure(Model):
    """One entry of a plan."""

    at: At
    node: Name | None = None
    link: tuple[Name, Name] | None = Field(None, strict=False, description="from, to")
    kind: FailureKind
    duration: Span | None = Field(None, alias="for", description="default: for good")
    delay_ms: float = Field(50, gt=0, le=60_000, description="delay: added to each message")
    jitter_ms: float = Field(0, ge=0, le=60_000, description="delay: uniform, on top")
    share: float = Field(0.1, gt=0, le=1, description="drop, corrupt: of messages")
    bit_error_rate: float = Field(0.001, gt=0, le=0.5, description="bitflip: of payload bits")
    factor: float = Field(10, gt=1, le=1e6, description="slow: times the section's own time")
    file: str | None = Field(None, description="trace: CSV of the link over time, by the plan")
    steps: tuple[TraceStep, ...] = Field(
        (), strict=False, max_length=1000, description="trace: what its file says"
    )

    @model_validator(mode="after")
    def _fits(self) -> Failure:
        if (self.node is None) == (self.link is None):
            raise ValueError(f"{self.kind}: want either node or link")
        if self.link is not None and self.kind not in (*LINK_FAULT_KINDS, "recover"):
            raise ValueError(f"{self.kind}: fails a node, not a link; want node")
        if self.duration and (self.at.sample is None) != (self.duration.samples is None):
            raise ValueError("for: want samples with a sample, seconds with seconds")
        if self.duration and self.kind == "recover":
            raise ValueError("recover: takes no duration")
        if self.kind == "trace" and (self.file is None) == (not self.steps):
            raise ValueError("trace: want either file or steps")
        for key, kinds in (*STRENGTHS.items(), *TRACE_KEYS.items()):
            if key in self.model_fields_set and self.kind not in kinds:
                raise ValueError(f"{self.kind}: has no {key} (that is for {', '.join(kinds)})")
        return self

    @property
    def strengths(self) -> dict[str, float]:
        """How strong it is, by the plan's keys; nothing for the kinds that know no more or less."""
        return {key: getattr(self, key) for key, kinds in STRENGTHS.items() if self.kind in kinds}

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

    @property
    def text(self) -> str:
        """Its kind with its strengths, for a person."""
        return with_values(self.kind, self.strengths)

    def link_fault(self) -> LinkFault:
        """What the transport at `at_node` is to do; for the kinds of LINK_FAULT_KINDS."""
        return LinkFault(
            kind=self.kind,  # type: ignore[arg-type]  # one of them, see above
            share=self.share,
            delay_s=self.delay_ms / 1000,
            jitter_s=self.jitter_ms / 1000,
            bit_error_rate=self.bit_error_rate,
            steps=self.steps,
        )


STRENGTHS = {
    "delay_ms": ("delay",),
    "jitter_ms": ("delay",),
    "share": ("drop", "corrupt"),
    "bit_error_rate": ("bitflip",),
    "factor": ("slow",),
}
"""By key of a failure, the kinds that have it."""
TRACE_KEYS = {"file": ("trace",), "steps": ("trace",)}


def parse_failure(entry: dict[str, Any]) -> Failure:
    """A failure from its fields. Raises ConfigError in one line."""
    return check_values(entry, Failure)
