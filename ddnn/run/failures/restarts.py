"""When a node that ended is to be started again: `restart: never`, N times, `always`.

The first time after 0.1 s, then after twice as long each time, up to 10 s; one that has run well
begins anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

FIRST_S = 0.1
LONGEST_S = 10.0
WELL_S = 30.0
"""A node that ran so long since it was started has run well."""


class Restarts:
    """Counts starts and keeps the times of tries. `policies`: by node, as the topology says it."""

    def __init__(self, policies: Mapping[str, str | int]) -> None:
        words = {"never": 0, "always": math.inf}
        self._left = {name: words.get(str(p), p) for name, p in policies.items()}
        self._wait_s = dict.fromkeys(policies, FIRST_S)
        self._started_s = dict.fromkeys(policies, -math.inf)
        self._due_s: dict[str, float] = {}

    def is_left(self, node: str) -> bool:
        """Whether it would be started again if it ended."""
        return float(self._left[node]) > 0

    def due_s(self) -> float | None:
        """When the next one is due, None: none is."""
        return min(self._due_s.values(), default=None)

    def is_due(self, node: str, now_s: float, *, has_ended: bool) -> bool:
        """Whether to try it now; the next try is due later."""
        if not has_ended or not self.is_left(node):
            self._due_s.pop(node, None)
            return False
        if node not in self._due_s:
            if now_s >= self._started_s[node] + WELL_S:
                self._wait_s[node] = FIRST_S
            self._due_s[node] = now_s + self._wait_s[node]
        if now_s < self._due_s[node]:
            return False
        del self._due_s[node]
        self._wait_s[node] = min(2 * self._wait_s[node], LONGEST_S)
        self._started_s[node] = now_s
        return True

    def count(self, node: str) -> None:
        """It was started: one less is left."""
        self._left[node] = float(self._left[node]) - 1
