"""Who fell silent and who came back, as a collector notices it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ddnn.nodes.liveness import Liveness


@dataclass(frozen=True, slots=True)
class Gone:
    """A node fell silent (or came back) while `sample` was the next to be asked for.

    silent_s: how long nothing had come from it when that was noticed.
    """

    node: str
    sample: int
    back: bool
    silent_s: float = field(default=0.0, compare=False)


class Noticed:
    """Of all that a liveness watches. before: who was alive at the last look but one."""

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness
        self._alive = self.before = (1 << len(liveness.members)) - 1

    def look(self, now_s: float, sample: int) -> list[Gone]:
        """What has changed since the last look. sample: the next to be asked for."""
        alive = self._liveness.alive(now_s)
        self.before, changed, self._alive = self._alive, alive ^ self._alive, alive
        if not changed:
            return []
        return [
            Gone(name, sample, bool(alive >> place & 1), self._liveness.silence_s(name, now_s))
            for place, name in enumerate(self._liveness.members)
            if changed >> place & 1
        ]
