"""Whose turn it is, of several who share a process: by weight, and by what they used. No I/O.

Start-time fair queueing (Goyal, Vin and Cheng 1997): whoever comes is stamped with the time that
its use so far stands for, or with that of the turn that goes on where this is later, so that nobody
saves up what it did not use. The lowest stamp is next. Who always wants more gets its weight's
share, and whoever wants less than its share waits for one turn of each of the others at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Turns:
    """Of those named in `weights`."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """weights: above 0; twice the weight is twice the share where there is not enough."""
        self._weights = dict(weights)
        self._used = dict.fromkeys(weights, 0.0)  # for its weight
        self._now = 0.0

    def put(self, name: str, weight: float) -> None:
        """Somebody new, who has used nothing, or another weight from now on."""
        self._weights[name] = weight
        self._used.setdefault(name, 0.0)

    def drop(self, name: str) -> None:
        """Does not come any more."""
        del self._weights[name], self._used[name]

    def choose(self, waiting: Iterable[str]) -> str:
        """Who is next; of equals, who has waited for longest stands first in `waiting`."""
        name = min(waiting, key=self._stamp)
        self._now = self._stamp(name)
        return name

    def charge(self, name: str, used: float) -> None:
        """What the turn of the one that was chosen took, in any unit."""
        self._used[name] = self._stamp(name) + used / self._weights[name]

    def _stamp(self, name: str) -> float:
        return max(self._used[name], self._now)
