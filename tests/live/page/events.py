"""Events as a launch tells them, for tests without one."""

from __future__ import annotations

from ddnn.live.events import (
    BeginEvent,
    Event,
    FailureEvent,
    LinksEvent,
    NodesEvent,
    VerdictEvent,
    ViewEvent,
)
from ddnn.live.page.batch import batches
from ddnn.live.page.state import State
from ddnn.topology import Topology

T0 = 1_000_000.0


def begin(topology: Topology, at_s: float = 0.0) -> BeginEvent:
    return BeginEvent(
        kind="begin",
        time=T0 + at_s,
        command="launch",
        topology=topology.name,
        bundle_sha256="0" * 64,
        classes=list(topology.classes),
        exits=list(topology.exits),
        devices=list(topology.devices),
        thresholds={"local": 0.8, "cloud": None},
    )


def verdict(at_s: float = 0.0, *, sample: int = 0, right: bool = True, **more: object) -> Event:
    event: VerdictEvent = {
        "kind": "verdict",
        "sample": sample,
        "time": T0 + at_s,
        "class": 0,
        "name": "car",
        "entropy": 0.25,
        "probability": None,
        "exit": "local",
        "present": "111",
        "degraded": False,
        "latency_ms": 4.0,
        "label": 0 if right else 1,
    }
    return event | more  # type: ignore[return-value]


def view(node: str, sample: int, state: str = "seen", at_s: float = 0.0) -> ViewEvent:
    """One grey pixel."""
    return ViewEvent(
        kind="view", time=T0 + at_s, node=node, sample=sample, state=state, channels=1, height=1,
        width=1, pixels="gA==",
    )  # fmt: skip


def failure(
    node: str, what: str, at_s: float = 0.0, *, applied: bool = True, **values: float
) -> FailureEvent:
    return FailureEvent(
        kind="failure", time=T0 + at_s, node=node, what=what, sample=7, applied=applied,
        values=values,
    )  # fmt: skip


def nodes(at_s: float = 0.0, **states: str) -> NodesEvent:
    found = {name: {"state": state, "resident_mb": 90.0} for name, state in states.items()}
    return NodesEvent(kind="nodes", time=T0 + at_s, nodes=found)  # type: ignore[typeddict-item]


def links(at_s: float, *, samples: int, payload: int) -> LinksEvent:
    """cam0 was asked for so many samples and sent so many bytes of scores for them."""
    capture = {"from": "collector", "to": "cam0", "kind": "capture", "data": False}
    scores = {"from": "cam0", "to": "gateway", "kind": "scores", "data": True}
    counts = {"messages": samples, "rows": samples, "information": 0, "zmtp": 20 * samples, "ip": 0}
    return LinksEvent(
        kind="links",
        time=T0 + at_s,
        links=[{**capture, **counts, "payload": 0}, {**scores, **counts, "payload": payload}],
        events={"cam0": {"late": 3, "scores-07": 60}},
        per_device_sample={"payload": payload / samples},
    )


def give(state: State, *events: Event) -> None:
    """The state takes events as the page's hub hands them over."""
    for found in batches(events, state.until):
        state.take(found)
