"""Who is alive: heard from within the patience. Any message counts, heartbeats are just sure.

How long a member may be silent, `wire.silence` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ddnn.wire.messages import Heartbeat
from ddnn.wire.silence import Silence


class Liveness:
    """Watches some nodes. All count as alive until the patience has passed once.

    own: the watching node itself, should it be a member. It sends itself no heartbeats and is
    always alive.
    """

    def __init__(self, members: Sequence[str], patience_s: float, own: str | None = None) -> None:
        self._own = own
        self.members = tuple(members)
        self._place = {name: place for place, name in enumerate(self.members)}
        self._patience_s = patience_s
        self._silences: list[Silence] = []
        self._gone: dict[str, frozenset[str]] = {}  # by keeper, as it said last
        self._alive = 0
        self._until_s = -math.inf  # so long `_alive` holds, if those who are dead stay silent

    def hear(self, name: str, now_s: float) -> None:
        """A message of `name` came at now_s."""
        place = self._place.get(name)
        if place is not None and name != self._own:
            self._begin(now_s)
            self._silences[place].heard(now_s)
            if not self._alive >> place & 1:
                self._until_s = -math.inf

    def hear_beat(self, name: str, beat: Heartbeat, now_s: float) -> None:
        """A heartbeat of `name` came at now_s."""
        place = self._place.get(name)
        if place is not None and name != self._own:
            self.hear(name, now_s)
            self._silences[place].hold(beat.every)
            self._until_s = min(self._until_s, self._silences[place].ends_s)
        lost = beat.gone - self._gone.get(name, frozenset())
        if beat.gone or name in self._gone:
            self._gone[name] = beat.gone
        for other in lost & self._place.keys():
            self._begin(now_s)
            silence = self._silences[self._place[other]]
            silence.let_go()
            self._until_s = min(self._until_s, silence.ends_s)

    def excuse(self, by_s: float) -> None:
        """So long the watching node could not have heard anybody: nobody was silent then."""
        for silence in self._silences:
            silence.excuse(by_s)
        self._until_s += by_s

    def alive(self, now_s: float) -> int:
        """Which members are alive: bit m for the m-th given."""
        if now_s >= self._until_s:
            self.look(now_s)
        return self._alive

    def is_alive(self, name: str, now_s: float) -> bool:
        """Whether this member is alive; a node that is not watched counts as alive."""
        place = self._place.get(name)
        return place is None or bool(self.alive(now_s) >> place & 1)

    def fell_silent(self, name: str, now_s: float, *, started_s: float, start_s: float) -> bool:
        """Whether it is dead, and either spoke since it was started or had start_s to do so."""
        if self.is_alive(name, now_s):
            return False
        has_spoken = now_s - self.silence_s(name, now_s) > started_s
        return has_spoken or now_s >= started_s + start_s

    def silence_s(self, name: str, now_s: float) -> float:
        """How long nothing has come from this member."""
        self._begin(now_s)
        return now_s - self._silences[self._place[name]].heard_s

    def next_change_s(self, now_s: float) -> float | None:
        """When a live member may have to be given up; not later than that, perhaps earlier."""
        self.alive(now_s)
        return None if self._until_s == math.inf else self._until_s

    def look(self, now_s: float) -> None:
        """Finds out now, so that until the next change nobody need ask."""
        self._begin(now_s)
        ends_s = [silence.ends_s for silence in self._silences]
        alive = [place for place, end_s in enumerate(ends_s) if end_s > now_s]
        self._alive = sum(1 << place for place in alive)
        self._until_s = min((ends_s[place] for place in alive), default=math.inf)

    def _begin(self, now_s: float) -> None:
        if not self._silences:
            begun_s = {self._own: math.inf}
            self._silences = [
                Silence(self._patience_s, begun_s.get(name, now_s)) for name in self.members
            ]
