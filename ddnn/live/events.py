"""The events of a feed, each a plain dict that JSON can hold; `kind` says which it is.

`time` is seconds since 1970 by this machine's clock. Nodes, exits and classes go by their names.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class BeginEvent(TypedDict):
    """A run begins, or goes on with another bundle or other thresholds. exits, devices: in the
    topology's order, which is that of `present`."""

    kind: Literal["begin"]
    time: float
    command: str
    topology: str
    bundle_sha256: str
    classes: list[str]
    exits: list[str]
    devices: list[str]
    thresholds: dict[str, float | None]


VerdictEvent = TypedDict(
    "VerdictEvent",
    {
        "kind": Literal["verdict"],
        "sample": int,
        "time": float,
        "class": int,
        "name": str,
        "entropy": float,
        "probability": float | None,
        "exit": str | None,
        "present": str,
        "degraded": bool,
        "latency_ms": float,
        "label": int | None,
    },
)
"""One sample's answer. probability: of the class, calibrated by the exit's temperature; None where
the exit does not tell. exit: None where the commonest class answers since no exit did. present:
one digit a device, 1 where it had a part. label: the true class where it is known already."""


class FailureEvent(TypedDict):
    """Something was done to a node or link, or happened to one: an entry of the report's
    `failures`. what: its kind (kill, hang, slow, noticed-gone, noticed-back, restarted, ...)."""

    kind: Literal["failure"]
    time: float
    node: str
    what: str
    sample: int | None
    applied: bool
    values: dict[str, Any]


class NodeState(TypedDict):
    """How a node stands. state: running, silent (it runs, or is on another host, and is not
    heard), killed (by us) or stopped (by itself). resident_mb: None on another host."""

    state: str
    resident_mb: float | None


class NodesEvent(TypedDict):
    """All nodes at once, by name: about once a second, and when one changes."""

    kind: Literal["nodes"]
    time: float
    nodes: dict[str, NodeState]


class LinksEvent(TypedDict):
    """All that was counted since the run began, every few seconds.

    links: as `bytes.links` of the report. events: by node and reason, as `nodes.NAME.events`.
    per_device_sample: mean bytes of a device for a sample, at each level.
    """

    kind: Literal["links"]
    time: float
    links: list[dict[str, Any]]
    events: dict[str, dict[str, int]]
    per_device_sample: dict[str, float | None]


class Share(TypedDict):
    """A share with its 95 % interval (Wilson); None for none of none."""

    samples: int
    accuracy: float | None
    interval: tuple[float, float] | None


class AccuracyEvent(TypedDict):
    """How often verdicts were true, where the truth is known. recent: of the last ones. since: of
    those since the latest failure; before: of as many at most before it."""

    kind: Literal["accuracy"]
    time: float
    all: Share
    recent: Share
    since: Share
    before: Share


class ViewEvent(TypedDict):
    """What a device saw for a sample, where views are shown (--show-views): small, and about once
    a second. state: seen, black, frozen or no-view. pixels: channels x height x width bytes,
    base64; none of them where the view is no picture, or not there."""

    kind: Literal["view"]
    time: float
    node: str
    sample: int
    state: str
    channels: int
    height: int
    width: int
    pixels: str


class EndEvent(TypedDict):
    """The run is over. why: empty where it came to its end."""

    kind: Literal["end"]
    time: float
    why: str


class LostEvent(TypedDict):
    """This reader was too slow: so many events before the next one are not there."""

    kind: Literal["lost"]
    count: int


Event = (
    BeginEvent
    | VerdictEvent
    | FailureEvent
    | NodesEvent
    | LinksEvent
    | AccuracyEvent
    | ViewEvent
    | EndEvent
    | LostEvent
)

RETAINED = frozenset({"begin", "nodes", "links", "accuracy", "end"})
"""Kinds of which a new reader gets the latest at once: they say how things stand."""
