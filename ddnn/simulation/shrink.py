"""Makes a list that breaks something shorter: delta debugging (Zeller and Hildebrandt 2002)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
MOST_TRIES = 400


def shortest(things: Sequence[T], breaks: Callable[[Sequence[T]], bool]) -> list[T]:
    """Things of the list, in order, that still break it; without any one of them it holds.

    Stops after MOST_TRIES with what it has. An empty list is tried first.
    """
    left = list(things)
    tries = 0

    def still_breaks(fewer: list[T]) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MOST_TRIES and breaks(fewer)

    if still_breaks([]):
        return []
    parts = 2
    while len(left) > 1 and tries < MOST_TRIES:
        size = -(-len(left) // parts)
        for start in range(0, len(left), size):
            fewer = left[:start] + left[start + size :]
            if still_breaks(fewer):
                left, parts = fewer, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(2 * parts, len(left))
    return left
