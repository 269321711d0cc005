"""For how long a node may be silent before others stop waiting for it.

While it lasts the node counts as alive, and nobody else may take its name: a start of it that was
never heard is believed only afterwards. Three things decide, here and nowhere else:

1. Any message of the node is good for one patience.
2. A heartbeat is good for one patience for each interval until the next one, as it says itself.
3. A node that is heard seldom for that reason is watched by another, its keeper. Once the keeper
   says that it is gone, be it dead or another start of itself, or the keeper itself is another
   start and knows nobody, one patience after the node's last word is all that is left.
"""

from __future__ import annotations


class Silence:
    """Of one node. heard_s: when its last word came. ends_s: so long others wait."""

    __slots__ = ("_patience_s", "ends_s", "heard_s")

    def __init__(self, patience_s: float, now_s: float) -> None:
        """As if it had been heard now."""
        self._patience_s = patience_s
        self.heard_s = now_s
        self.ends_s = now_s + patience_s

    def heard(self, now_s: float) -> None:
        """It said something."""
        self.heard_s = now_s
        self.ends_s = max(self.ends_s, now_s + self._patience_s)

    def hold(self, every: int) -> None:
        """Its last word is a heartbeat, good for so many intervals."""
        self.ends_s = self.heard_s + every * self._patience_s

    def let_go(self) -> None:
        """Its keeper vouches for it no more."""
        self.ends_s = min(self.ends_s, self.heard_s + self._patience_s)

    def excuse(self, by_s: float) -> None:
        """So long nobody could have heard it."""
        self.heard_s += by_s
        self.ends_s += by_s
