"""Who is well, and since when: nothing is wrong with the process, its host, or a link."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

LONGEST_S = 600.0
"""No answer takes longer: what was before is forgotten."""
Place = str | tuple[str, str]
"""A process, or a link from one to another."""


class Health:
    """Knows what is wrong now, and when the collector's time stood still."""

    def __init__(self, names: Iterable[str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: Counter[Place] = Counter()
        self._well_s: dict[Place, float] = dict.fromkeys(names, 0.0)  # if nothing is wrong
        self._links: set[tuple[str, str]] = set()  # that something was ever wrong with
        self._known: dict[frozenset[str], float] = {}  # until something changes
        self.everyone = frozenset(name for name in self._well_s if isinstance(name, str))
        self._still: list[tuple[float, float]] = []  # from, to
        self._paused_s: float | None = None  # since when

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self._clock()

    def begin(self, places: Iterable[Place]) -> None:
        """Something goes wrong with these."""
        for place in places:
            self._wrong[place] += 1
            if not isinstance(place, str):
                self._links.add(place)
        self._known.clear()

    def end(self, places: Iterable[Place]) -> None:
        """It is over."""
        for place in places:
            self._wrong[place] -= 1
            self._well_s[place] = self._clock()
        self._known.clear()

    def freeze(self, for_s: float) -> None:
        """The collector is kept from its work."""
        self._stood_still(self._clock(), self._clock() + for_s)

    def pause(self, *, is_paused: bool) -> None:
        """The collector waits, or waits no longer, for a device to be heard."""
        now_s = self._clock()
        if self._paused_s is not None and not is_paused:
            self._stood_still(self._paused_s, now_s)
            self._paused_s = None
        elif self._paused_s is None and is_paused:
            self._paused_s = now_s

    def _stood_still(self, begun_s: float, until_s: float) -> None:
        oldest_s = self._clock() - LONGEST_S
        self._still = [span for span in self._still if span[1] > oldest_s] + [(begun_s, until_s)]

    def still_s(self, since_s: float) -> float:
        """How much of the time since then was not the collector's own."""
        now_s = self._clock()
        pause = [] if self._paused_s is None else [(self._paused_s, now_s)]
        spans = [*self._still, *pause]
        return sum(max(0.0, min(to, now_s) - max(begun, since_s)) for begun, to in spans)

    def started(self, name: str) -> None:
        """A process begins."""
        self._well_s[name] = self._clock()
        self._known.clear()

    def stopped(self, name: str) -> None:
        """A process ends: it is not well until the next begins."""
        self._well_s[name] = math.inf
        self._known.clear()

    def are_well(self, names: frozenset[str], since_s: float) -> bool:
        """Nothing is or was wrong with these, and with the links between them, since then."""
        well_s = self._known.get(names)
        if well_s is None:
            between = {link for link in self._links if names.issuperset(link)}
            well_s = self._known[names] = max(self._since_s(place) for place in names | between)
        return well_s <= since_s

    def _since_s(self, place: Place) -> float:
        return math.inf if self._wrong[place] > 0 else self._well_s.get(place, math.inf)
