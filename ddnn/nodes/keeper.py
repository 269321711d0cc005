"""Whom a node gives up for others, who hear those it keeps only seldom; see wire.silence."""

from __future__ import annotations

from collections.abc import Iterable

from ddnn.nodes.liveness import Liveness

_NOBODY: frozenset[str] = frozenset()


class Keeper:
    """Watches over the kept."""

    def __init__(self, kept: Iterable[str], patience_s: float) -> None:
        self.kept = frozenset(kept)
        self._patience_s = patience_s
        self.begin()

    def begin(self) -> None:
        """A new run: nobody was heard yet."""
        self._liveness = Liveness(sorted(self.kept), self._patience_s)
        self._everyone = (1 << len(self.kept)) - 1
        self._renewed = _NOBODY  # whose new start nobody was told of yet

    def hear(self, name: str, now_s: float) -> None:
        """A message of `name` came."""
        self._liveness.hear(name, now_s)

    def renew(self, name: str) -> None:
        """It is another start of itself: others wait for the one before until they are told."""
        if name in self.kept:
            self._renewed |= {name}

    def told(self) -> None:
        """Everyone was told whom it has given up."""
        self._renewed = _NOBODY

    def given_up(self, now_s: float) -> frozenset[str]:
        """Whom it does not hear any more, or only as another start of itself."""
        alive = self._liveness.alive(now_s)
        if alive == self._everyone:
            return self._renewed
        members = enumerate(self._liveness.members)
        return self._renewed.union(name for place, name in members if not alive >> place & 1)

    def look(self, now_s: float) -> None:
        """See Liveness."""
        if self.kept:
            self._liveness.look(now_s)

    def next_change_s(self, now_s: float) -> float | None:
        """See Liveness."""
        return self._liveness.next_change_s(now_s)
