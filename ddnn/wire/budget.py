"""How much one sender may make a node decode and handle, so that its own loop keeps turning.

A sender with a valid key may lie, but not make a node deaf: what it sends beyond its budget is
refused unread. Each sender has a budget of its own, so that one costs no other anything. Without
keys a sender is who the message says, and whoever may connect can use up anybody's budget.
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


class Budget:
    """A bucket of rows for each sender: filled at ROWS_PER_S, never above BURST_ROWS."""

    def __init__(self, names: int) -> None:
        """names: how many there are; senders beyond them share one bucket."""
        self._names = names
        self._left: dict[str | int, tuple[float, float]] = {}  # rows, and when there were so many

    def admits(self, data: bytes, peer: str | None, now_s: float) -> bool:
        """Takes the message's cost from its sender's bucket; False: there is not enough left.

        peer: the sender by its key, None where there are no keys.
        """
        sender = self._place(data) if peer is None else peer
        left, then_s = self._left.get(sender, (float(BURST_ROWS), now_s))
        left = min(BURST_ROWS, left + ROWS_PER_S * max(0.0, now_s - then_s))
        cost = cost_rows(data)
        is_admitted = cost <= left
        self._left[sender] = (left - cost if is_admitted else left, now_s)
        return is_admitted

    def _place(self, data: bytes) -> int:
        """The header's sender; see `codec`."""
        return min(int.from_bytes(data[4:6], "little"), self._names)
