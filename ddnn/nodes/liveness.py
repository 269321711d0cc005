"""Who is alive: heard from within the patience. Any message counts, heartbeats are just sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
        self._heard_M: NDArray[np.float64] | None = None

    def hear(self, name: str, now_s: float) -> None:
        """A message of `name` came at now_s."""
        place = self._place.get(name)
        if place is not None and name != self._own:
            self._times(now_s)[place] = now_s

    def alive_M(self, now_s: float) -> NDArray[np.bool_]:
        """Which members are alive, in the order given."""
        return np.asarray(self._times(now_s) + self._patience_s > now_s)

    def is_alive(self, name: str, now_s: float) -> bool:
        """Whether this member is alive; a node that is not watched counts as alive."""
        place = self._place.get(name)
        return place is None or bool(self.alive_M(now_s)[place])

    def silence_s(self, name: str, now_s: float) -> float:
        """How long nothing has come from this member."""
        return now_s - float(self._times(now_s)[self._place[name]])

    def next_change_s(self, now_s: float) -> float | None:
        """When the next live member will be given up, should it stay silent."""
        times = self._times(now_s)[self.alive_M(now_s)]
        return float(times.min()) + self._patience_s if len(times) else None

    def _times(self, now_s: float) -> NDArray[np.float64]:
        if self._heard_M is None:
            own_M = np.array(self.members) == self._own
            self._heard_M = np.where(own_M, np.inf, now_s)
        return self._heard_M
