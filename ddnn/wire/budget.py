"""How much one sender may make a node decode and handle, so that its own loop keeps turning.

A sender with a valid key may lie, but not make a node deaf: what it sends beyond its budget is
refused unread. Each sender has a budget of its own, so that one costs no other anything. Without
keys a sender is who the message says, and whoever may connect can use up anybody's budget.

Where a node is one of many in its process, all its senders together may have a limit too.
"""

from __future__ import annotations

from ddnn.wire.header import ROWS_AT
from ddnn.wire.messages import MAX_ROWS

ROWS_PER_S = 40_000
"""Three times the 12,000 samples a second of the fastest run; a row costs a node 1 to 11 us."""
BURST_ROWS = 8192
"""What may come at once: 256 samples in flight, of each at most three rows, many times over."""
RECORD_BYTES = 32
"""A message without rows costs as many as it can hold records of this size (accounts)."""
PAGE_BYTES = 4096
"""So many bytes cost as much as a row, whatever they say."""


def cost_rows(data: bytes) -> int:
    """What it may cost to decode and handle this message, in rows, by its length and header."""
    size = len(data)
    rows = min(data[ROWS_AT], MAX_ROWS) if size > ROWS_AT else 0
    return (rows or size // RECORD_BYTES or 1) + size // PAGE_BYTES


class Bucket:
    """Rows that may be taken: filled at rows_per_s, never above burst_rows, full at first."""

    __slots__ = ("_burst_rows", "_left", "_rows_per_s", "_then_s")

    def __init__(self, rows_per_s: float, burst_rows: float) -> None:
        self._rows_per_s = rows_per_s
        self._burst_rows = self._left = burst_rows
        self._then_s: float | None = None  # when there were so many

    def has(self, rows: int, now_s: float) -> bool:
        """Whether there are so many."""
        passed_s = 0.0 if self._then_s is None else max(0.0, now_s - self._then_s)
        self._left = min(self._burst_rows, self._left + self._rows_per_s * passed_s)
        self._then_s = now_s
        return rows <= self._left

    def take(self, rows: int) -> None:
        """Takes them out, right after `has`."""
        self._left -= rows


class Budget:
    """A bucket for each sender, and one for all of them together where that is wanted."""

    def __init__(self, names: int, together: Bucket | None = None) -> None:
        """names: how many there are; senders beyond them share one bucket."""
        self._names = names
        self._together = together
        self._buckets: dict[str | int, Bucket] = {}

    def admits(self, data: bytes, peer: str | None, now_s: float) -> bool:
        """Takes the message's cost from its sender's bucket; False: there is not enough left.

        peer: the sender by its key, None where there are no keys.
        """
        sender = self._place(data) if peer is None else peer
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = Bucket(ROWS_PER_S, BURST_ROWS)
        cost = cost_rows(data)
        if not bucket.has(cost, now_s):
            return False
        if self._together is not None:
            if not self._together.has(cost, now_s):
                return False
            self._together.take(cost)
        bucket.take(cost)
        return True

    def _place(self, data: bytes) -> int:
        """The header's sender; see `codec`."""
        return min(int.from_bytes(data[4:6], "little"), self._names)
