"""What a link was like over time, as somebody recorded it: latency, loss, bandwidth."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class TraceStep(NamedTuple):
    """From `at_s` on, counted from the trace's beginning, until the next step; the last one stays.

    loss: share of messages. bandwidth_kbps: 0 is no limit.
    """

    at_s: float
    latency_ms: float = 0.0
    loss: float = 0.0
    bandwidth_kbps: float = 0.0


NOTHING = TraceStep(0.0)


class Trace:
    """A trace that began at some time."""

    def __init__(self, steps: Sequence[Sequence[float]], begun_s: float) -> None:
        """steps: in the order of their times."""
        self._steps = [TraceStep(*step) for step in steps]
        self._times_s = [step.at_s for step in self._steps]
        self._begun_s = begun_s

    def now(self, time_s: float) -> TraceStep:
        """What holds; nothing before the first step."""
        place = bisect_right(self._times_s, time_s - self._begun_s) - 1
        return self._steps[place] if place >= 0 else NOTHING
