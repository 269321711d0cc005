"""Time as a node can judge it: what passes while its process is not run tells it nothing.

A machine that stands still for half a second (a virtual one that is moved, or one with too much to
do) makes nobody silent: what was said meanwhile waits to be read, and those who share the machine
could say nothing. So in one turn, beyond what it meant to wait, no more than `most_s` passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

COUNTED = 0.25
"""Of the patience with others, how much of one turn's work counts. When a machine stops, the latest
heartbeats are up to half of it old; what is left is for those who share the machine to say theirs
before they are given up."""


def most_of(patience_s: float) -> float:
    """How much of one turn's work counts, where others are given up after so long a silence."""
    return patience_s * COUNTED


class Awake:
    """A monotonic clock that is slower than the real one where its owner was not run."""

    @classmethod
    def with_patience(cls, patience_s: float) -> Awake:
        """Of a node that gives others up after so long a silence."""
        return cls(most_of(patience_s))

    def __init__(self, most_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """most_s: of work in one turn that counts, less than the patience with others."""
        self._most_s = most_s
        self._clock = clock
        self._lost_s = 0.0
        self._looked_s = clock()

    def hurry(self, patience_s: float) -> None:
        """Somebody else is given up after so long a silence, too."""
        self._most_s = min(self._most_s, most_of(patience_s))

    @property
    def now_s(self) -> float:
        """Seconds since some moment; never goes back."""
        return self._clock() - self._lost_s

    def look(self, waited_s: float) -> float:
        """Once a turn, when what has arrived was taken in; waited_s: how long that was to wait.

        Returns the seconds since the last look that do not count.
        """
        real_s = self._clock()
        lost_s = max(0.0, real_s - self._looked_s - waited_s - self._most_s)
        self._looked_s = real_s
        self._lost_s += lost_s
        return lost_s
