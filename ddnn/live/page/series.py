"""What a run found over time, in a bounded number of steps: when they are full, each two become
one of twice the length, however long it runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ddnn.report.tally import Percentiles

MAX_STEPS = 600
FIRST_STEP_S = 1.0


@dataclass(slots=True)
class Step:
    """What fell into one step of time. exits: samples by exit. right, low, high: accuracy of the
    last labelled samples at its end and its 95 % interval, expected: what the failure study has for
    those samples; None where nothing is known. payload: bytes of all devices for `asked` samples.
    """

    begin_s: float
    exits: list[int]
    samples: int = 0
    degraded: int = 0
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    payload: float = 0.0
    asked: int = 0
    taken_s: Percentiles = field(default_factory=Percentiles)

    def join(self, later: Step) -> None:
        """Takes the next step in."""
        self.exits = [a + b for a, b in zip(self.exits, later.exits, strict=True)]
        self.samples += later.samples
        self.degraded += later.degraded
        self.payload += later.payload
        self.asked += later.asked
        for name in ("accuracy", "low", "high", "expected"):
            if getattr(later, name) is not None:
                setattr(self, name, getattr(later, name))
        self.taken_s.join(later.taken_s)

    def point(self, seconds: float) -> list[float | None]:
        """Its numbers in the order of `columns`."""
        counted = self.samples or None
        p50, p99 = ((1000 * self.taken_s.at(p) if counted else None) for p in (50, 99))
        return [
            round(self.begin_s, 3),
            *map(_short, (self.accuracy, self.low, self.high, self.expected)),
            _short(self.payload / self.asked if self.asked else None),
            *map(_short, (p50, p99)),
            _short(self.samples / seconds),
            _short(self.degraded / counted if counted else None),
            *(_short(count / counted if counted else None) for count in self.exits),
        ]


def columns(exits: Sequence[str]) -> list[str]:
    """Names of a point's numbers."""
    return [
        "seconds", "accuracy", "low", "high", "expected", "device_bytes", "p50_ms", "p99_ms",
        "samples_per_s", "degraded", *(f"share_{name}" for name in exits),
    ]  # fmt: skip


class Series:
    """Steps from the first sample on. length_s: of one now. generation: grows when steps join, so
    that whoever has the earlier ones knows to forget them."""

    def __init__(self, exits: int, *, step_s: float = FIRST_STEP_S, most: int = MAX_STEPS) -> None:
        self.length_s = step_s
        self.generation = 0
        self._exits = exits
        self._most = most
        self.steps: list[Step] = [Step(0.0, [0] * exits)]

    def at(self, seconds: float) -> Step:
        """The step of this moment; those between have nothing."""
        while seconds >= self.steps[-1].begin_s + self.length_s:
            behind = math.floor((seconds - self.steps[-1].begin_s) / self.length_s)
            if behind > self._most:  # nothing happened for long: no use in empty steps
                self.steps[-1].begin_s += (behind - 1) * self.length_s
            begin_s = self.steps[-1].begin_s + self.length_s
            self.steps.append(Step(begin_s, [0] * self._exits))
            if len(self.steps) > self._most:
                self._halve()
        return self.steps[-1]

    def points(self, begin: int = 0) -> list[list[float | None]]:
        """Of the steps that are over, from this place on."""
        return [step.point(self.length_s) for step in self.steps[begin:-1]]

    def _halve(self) -> None:
        self.length_s *= 2
        self.generation += 1
        whole = self.steps
        self.steps = whole[::2]
        for step, later in zip(self.steps, whole[1::2], strict=False):
            step.join(later)


def _short(value: float | None) -> float | None:
    """Enough digits for a picture."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")
