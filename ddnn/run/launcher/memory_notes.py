"""How the nodes' memory went while a launch ran: as fine as fits, however long it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

EVERY_S = 1.0
"""Time between two looks, at first."""
MAX_LOOKS = 2_000
"""Kept at most: then every second one is left out, and half as many are made from there on."""


class Measures(Protocol):
    """What is looked at."""

    def resident_mb(self, node: str) -> float | None: ...


class MemoryNotes:
    """Looks once a second, half as often each time that so much is kept."""

    def __init__(self) -> None:
        self._every_s = EVERY_S
        self._due_s = -math.inf
        self._looks: list[list[tuple[float, str, float]]] = []

    @property
    def rows(self) -> tuple[tuple[float, str, float], ...]:
        """Seconds, node, resident MB."""
        return tuple(row for look in self._looks for row in look)

    def look(self, seconds: float, nodes: Iterable[str], processes: Measures) -> None:
        """Notes what each uses now, if it is time."""
        if seconds < self._due_s:
            return
        self._due_s = seconds + self._every_s
        found = ((seconds, name, processes.resident_mb(name)) for name in nodes)
        self._looks.append([(at_s, name, mb) for at_s, name, mb in found if mb is not None])
        if len(self._looks) >= MAX_LOOKS:
            self._looks = self._looks[::2]
            self._every_s *= 2
