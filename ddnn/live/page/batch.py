"""Verdicts that came together, counted once for all who want to know: thousands a second cost next
to nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.live.events import Event, VerdictEvent

_key = itemgetter("exit", "class", "present", "degraded", "label")


class Alike(NamedTuple):
    """What verdicts may have in common. exit: None where no exit answered. present: one digit a
    device. label: None where the truth is not known."""

    exit: str | None
    predicted: int
    present: str
    degraded: bool
    label: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """events: the verdicts, oldest first. alike: how many of each kind. exits_N, entropy_N,
    latency_s_N: of each."""

    events: Sequence[VerdictEvent]
    alike: Counter[Alike]
    exits_N: NDArray[np.object_]
    entropy_N: NDArray[np.float64]
    latency_s_N: NDArray[np.float64]

    @classmethod
    def of(cls, events: Sequence[VerdictEvent]) -> Batch:
        """At least one."""
        counts = Counter(map(_key, events))
        return cls(
            events,
            Counter({Alike(*key): count for key, count in counts.items()}),
            np.array([event["exit"] for event in events], dtype=object),
            np.array([event["entropy"] for event in events]),
            np.array([event["latency_ms"] for event in events]) / 1000,
        )

    @property
    def time(self) -> float:
        """When the last one came."""
        return self.events[-1]["time"]

    def missing(self, devices: Sequence[str]) -> Counter[str]:
        """By device, verdicts in which it had no part."""
        found: Counter[str] = Counter()
        for kind, count in self.alike.items():
            if "0" in kind.present:
                gone = (d for d, seen in zip(devices, kind.present, strict=True) if seen == "0")
                found.update(dict.fromkeys(gone, count))
        return found


def batches(events: Iterable[Event], until: float) -> Iterator[Batch | Event]:
    """The events in their order, verdicts that follow each other as batches; none holds verdicts
    both of before the moment `until` and of after it."""
    waiting: list[VerdictEvent] = []
    for event in events:
        is_verdict = event["kind"] == "verdict"
        moment = -math.inf if event["kind"] == "lost" else event["time"]
        crosses = bool(waiting) and waiting[-1]["time"] < until <= moment
        if waiting and (not is_verdict or crosses):
            yield Batch.of(waiting)
            waiting = []
        if event["kind"] == "verdict":
            waiting.append(event)
        else:
            yield event
    if waiting:
        yield Batch.of(waiting)
