"""Virtual time: what happens next, and when. Nothing waits; the clock jumps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any


class Scheduler:
    """A heap of what is to happen. At one instant, first planned is first done."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def at(self, time_s: float, act: Callable[..., None], *of: Any) -> None:
        """Plans act(*of); what lies in the past happens next."""
        heapq.heappush(self._heap, (max(time_s, self.now_s), next(self._order), act, of))

    @property
    def next_s(self) -> float | None:
        """When the next thing happens, None: never."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> bool:
        """Lets the next thing happen; False where nothing is left."""
        if not self._heap:
            return False
        self.now_s, _, act, of = heapq.heappop(self._heap)
        self.events += 1
        act(*of)
        return True
