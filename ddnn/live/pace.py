"""When a live system takes samples: by clock, by event, by both. No I/O, no clock of its own."""

from __future__ import annotations

import math

from ddnn.live.sources.file import Sampling


class Pace:
    """A sample at each whole multiple of every_s after the first, and at each event that is
    apart_s or more after the sample before. The clock must be monotonic: a day that the wall
    clock jumps is nobody's trouble.

    missed: instants for which there was no room, or at which this process was not run.
    """

    def __init__(self, sampling: Sampling, now_s: float) -> None:
        every_ms = sampling.every_ms
        self._every_s = math.inf if every_ms is None else every_ms / 1000
        self._apart_s = sampling.apart_ms / 1000
        self._next_s = math.inf if every_ms is None else now_s
        self._latest_s = -math.inf
        self._events = 0
        self.missed = 0

    def event(self) -> None:
        """A new view has come at a device that decides."""
        self._events = 1

    def take(self, now_s: float, room: int) -> int:
        """How many samples to take now. room: how many there is room for."""
        if self._every_s == 0:
            return room
        due = self._by_clock(now_s) or self._by_event(now_s)
        if not due:
            return 0
        self._latest_s = now_s
        if not room:
            self.missed += 1
            return 0
        return 1

    def _by_clock(self, now_s: float) -> bool:
        if now_s < self._next_s:
            return False
        passed = int((now_s - self._next_s) / self._every_s)
        self.missed += passed
        self._next_s += (passed + 1) * self._every_s
        return True

    def _by_event(self, now_s: float) -> bool:
        if not self._events:
            return False
        self._events = 0
        return now_s >= self._latest_s + self._apart_s

    def due_s(self) -> float:
        """When the clock wants the next one."""
        return self._next_s
