"""How many samples a second a collector asks for."""

from __future__ import annotations

import math

CATCH_UP_S = 1.0
"""What was missed for longer stays missed."""


class Rate:
    """Counts the samples that are due, one an interval from the first on."""

    def __init__(self, rate_hz: float | None) -> None:
        """rate_hz: samples a second, None: as fast as they are answered."""
        self.is_limited = rate_hz is not None
        self._interval_s = 1 / rate_hz if rate_hz else 0.0
        self._due_s = math.inf

    @property
    def due_s(self) -> float:
        """When the next sample is due; never, before the first one and without a limit."""
        return self._due_s

    def due(self, now_s: float) -> int:
        """How many samples are due, of a limited rate."""
        if self._due_s == math.inf or now_s > self._due_s + CATCH_UP_S:
            self._due_s = now_s
        return math.floor((now_s - self._due_s) / self._interval_s) + 1

    def take(self, count: int) -> None:
        """So many were asked for."""
        self._due_s += count * self._interval_s
