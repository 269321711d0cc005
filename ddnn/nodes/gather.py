"""Collects what several nodes say of one sample, until all have spoken or the deadline passes.

A window opens with the first delivery for a sample and closes when every live member has delivered,
or at its deadline. What comes later is counted and never merged into anything.

Each member has a ring of slots of its own, sample s in slot s mod SLOTS: memory is bounded
whatever arrives, and a member that sends nonsense (samples nobody asked for) fills its own slots
and nobody else's.

A stand-in is a member that delivers past another one, its parent, which it believes gone. It is
waited for only while the parent is silent here too, and counts only where the parent delivered
nothing: its features are in the parent's.

Members and parts (wire.messages) are bits of whole numbers, rows are bytes: most messages bring
one row, and arrays are made only of what leaves together.

Axes: N rows of a message or batch, M members, V views, R slots.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.liveness import Liveness
from ddnn.wire.messages import MAX_ROWS

SLOTS = 256
"""Samples in flight at most; the collector keeps within it."""
WRAPPED = 2**31
"""A sample's number that is so much lower than another's is later: the wire's begin anew."""
PAST = 8
"""Closed windows that a slot remembers, to know late rows by."""

_NONE = -1


class ClosedWindows:
    """Windows that closed together.

    views_N: the parts that the rows of each stand for. delivered_N: which members' rows count, bit
    m for the m-th.
    """

    __slots__ = ("_rows_NM", "_shapes", "delivered_N", "samples_N", "views_N")

    def __init__(
        self,
        samples_N: list[int],
        windows: Sequence[_Window],
        shapes: Sequence[tuple[int, ...]],
        missing_M: Sequence[bytes],
    ) -> None:
        """shapes: of one row of each member. missing_M: zeros in place of what does not count."""
        self.samples_N = samples_N
        self.views_N: list[int] = []
        self.delivered_N: list[int] = []
        self._shapes = shapes
        self._rows_NM: list[list[bytes]] = []
        for window in windows:
            rows_M, views, delivered = window.rows_M, 0, 0
            for place, seen in enumerate(window.views_M):
                if seen:
                    views |= seen
                    delivered |= 1 << place
                else:
                    rows_M[place] = missing_M[place]
            self.views_N.append(views)
            self.delivered_N.append(delivered)
            self._rows_NM.append(rows_M)

    @property
    def present_NM(self) -> NDArray[np.float32]:
        """1 where a member's row counts, 0 where it does not."""
        members = len(self._shapes)
        if self.delivered_N == [(1 << members) - 1]:
            return _everybody(members)
        places = range(members)
        bits = [[delivered >> place & 1 for place in places] for delivered in self.delivered_N]
        return np.array(bits, dtype=np.float32)

    @property
    def values(self) -> tuple[NDArray[np.float32], ...]:
        """One array (N, ...) a member, zeros where it does not count."""
        columns = zip(*self._rows_NM, strict=True)
        return tuple(
            np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), *shape)
            for rows, shape in zip(columns, self._shapes, strict=True)
        )

    @property
    def stacked(self) -> NDArray[np.float32]:
        """(N, M, ...): the same in one array, of members whose rows are alike."""
        rows = b"".join([row for rows_M in self._rows_NM for row in rows_M])
        shape = (len(self._rows_NM), len(self._shapes), *self._shapes[0])
        return np.frombuffer(rows, np.float32).reshape(shape)


@cache
def _everybody(members: int) -> NDArray[np.float32]:
    """(1, M): what is asked for most, of one window that everybody delivered for."""
    everybody_1M = np.ones((1, members), dtype=np.float32)
    everybody_1M.flags.writeable = False
    return everybody_1M


class StandIn(NamedTuple):
    """A member, the one that it stands in for, and the bit that says that it did."""

    member: int
    parent: int
    bit: int


class _Window:
    __slots__ = ("delivered", "opened_s", "rows_M", "views_M")

    def __init__(self, opened_s: float, members: int) -> None:
        self.opened_s = opened_s
        self.delivered = 0
        self.views_M = [0] * members
        self.rows_M = [b""] * members


class Gather:
    """The windows of one node for one kind of input."""

    def __init__(
        self,
        members: Sequence[str],
        shapes: Sequence[tuple[int, ...]],
        *,
        views_of: Sequence[frozenset[int]],
        deadline_s: float,
        patience_s: float,
        events: Counter[str],
        own: str | None = None,
        parts_of: Sequence[frozenset[int]] | None = None,
        stand_ins: Sequence[StandIn] = (),
    ) -> None:
        """members: who delivers; shapes: of one row of each; views_of: the views behind each.

        own: the member that is this node itself, if one is. parts_of: the bits that each may
        speak for, None: its views.
        """
        count = len(members)
        self.liveness = Liveness(members, patience_s, own)
        self._place = {name: place for place, name in enumerate(members)}
        self._stand_ins = tuple(stand_ins)
        self._deadline_s = deadline_s
        self._events = events
        self._shapes = shapes
        self._behind_M = [_bits(views) for views in views_of]
        self._parts_M = [_bits(parts) for parts in parts_of or views_of]
        self._missing_M = [bytes(4 * int(np.prod(shape))) for shape in shapes]
        self._last_MR = [[_NONE] * SLOTS for _ in members]
        self._waits_MR = [bytearray(SLOTS) for _ in members]
        self._windows: dict[int, _Window] = {}  # in the order in which they opened
        self._everyone = (1 << count) - 1
        self._expected_R = [_NONE] * SLOTS
        self._awaited_R = [self._everyone] * SLOTS
        self._past_R: list[deque[int]] = [deque(maxlen=PAST) for _ in range(SLOTS)]
        self._touched: set[int] = set()
        self._alive = self._everyone  # at the last look

    def put(
        self,
        member: str,
        samples_N: Sequence[int],
        views_N: Sequence[int],
        values: NDArray[np.float32],
        now_s: float,
    ) -> None:
        """One member's rows. Rows that are late, repeated or have no free slot are counted."""
        self.liveness.hear(member, now_s)
        place = self._place[member]
        last_R, waits_R = self._last_MR[place], self._waits_MR[place]
        behind, parts = self._behind_M[place], self._parts_M[place]
        row_bytes = len(self._missing_M[place])
        rows = values.tobytes()
        past_R, windows = self._past_R, self._windows
        for number, (sample, views) in enumerate(zip(samples_N, views_N, strict=True)):
            slot = sample % SLOTS
            last = last_R[slot]
            is_old = last - WRAPPED < sample <= last  # numbers begin anew after 2**32
            if waits_R[slot] or is_old or sample in past_R[slot]:
                self._refuse(sample, last, waits=bool(waits_R[slot]))
                continue
            last_R[slot], waits_R[slot] = sample, True
            window = windows.get(sample)
            if window is None:
                window = windows[sample] = _Window(now_s, len(self._shapes))
            window.delivered |= 1 << place
            window.views_M[place] = views & parts if views & behind else 0
            window.rows_M[place] = rows[number * row_bytes : (number + 1) * row_bytes]
            self._touched.add(sample)

    def _refuse(self, sample: int, last: int, *, waits: bool) -> None:
        """Counts a row. waits: the member's slot is in use, for sample `last`."""
        if not waits or sample < last or sample in self._past_R[sample % SLOTS]:
            self._events["late"] += 1
        else:
            self._events["duplicate" if sample == last else "busy-slot"] += 1

    def expect(self, samples_N: Sequence[int], views_N: Sequence[int]) -> None:
        """Only members with one of these views behind them will deliver. Opens no window."""
        for sample, views in zip(samples_N, views_N, strict=True):
            slot = sample % SLOTS
            if self._expected_R[slot] not in self._windows:
                self._expected_R[slot] = sample
                behind = enumerate(self._behind_M)
                self._awaited_R[slot] = sum(1 << place for place, v in behind if v & views)
                self._touched.add(sample)

    def close(self, now_s: float, rows: int = MAX_ROWS) -> list[ClosedWindows]:
        """The windows that are complete or overdue, oldest sample first, at most `rows` each."""
        if not self._windows:
            self._touched.clear()
            return []
        alive = self.liveness.alive(now_s)
        for member, parent, _ in self._stand_ins:
            if alive >> parent & 1:
                alive &= ~(1 << member)
        overdue = now_s >= self._oldest_s + self._deadline_s
        looked_at = self._windows if overdue or alive != self._alive else self._touched
        closed = sorted(sample for sample in looked_at if self._is_over(sample, alive, now_s))
        self._touched.clear()
        self._alive = alive
        return [self._batch(closed[i : i + rows]) for i in range(0, len(closed), rows)]

    @property
    def _oldest_s(self) -> float:
        return next(iter(self._windows.values())).opened_s

    def _is_over(self, sample: int, alive: int, now_s: float) -> bool:
        window, slot = self._windows.get(sample), sample % SLOTS
        if window is None:
            return False
        awaited = self._awaited_R[slot] if self._expected_R[slot] == sample else self._everyone
        is_complete = not alive & awaited & ~window.delivered
        return is_complete or now_s >= window.opened_s + self._deadline_s

    def _batch(self, samples_N: list[int]) -> ClosedWindows:
        """Takes these windows away; what still comes for them is late."""
        windows = [self._windows.pop(sample) for sample in samples_N]
        for sample, window in zip(samples_N, windows, strict=True):
            slot = sample % SLOTS
            self._past_R[slot].append(sample)
            for place, waits_R in enumerate(self._waits_MR):
                if window.delivered >> place & 1:
                    waits_R[slot] = False
            if self._stand_ins:
                self._settle_stand_ins(window)
        return ClosedWindows(samples_N, windows, self._shapes, self._missing_M)

    def _settle_stand_ins(self, window: _Window) -> None:
        for member, parent, bit in self._stand_ins:
            if window.views_M[parent]:
                window.views_M[member] = 0
            elif window.views_M[member]:
                window.views_M[member] |= 1 << bit

    def due_s(self, now_s: float) -> float | None:
        """When a window will close though nothing more arrives."""
        if not self._windows:
            return None
        deadline_s = self._oldest_s + self._deadline_s
        lost_s = self.liveness.next_change_s(now_s)
        return deadline_s if lost_s is None else min(deadline_s, lost_s)


def _bits(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)
