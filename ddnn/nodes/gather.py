"""Collects what several nodes say of one sample, until all have spoken or the deadline passes.

A window opens with the first delivery for a sample and closes when every live member has delivered,
or at its deadline. What comes later is counted and never merged into anything.

Each member has a ring of slots of its own, sample s in slot s mod SLOTS: memory is bounded
whatever arrives, and a member that sends nonsense (samples nobody asked for) fills its own slots
and nobody else's.

Axes: N rows of a message or batch, M members, V views, R slots, K slots at work, P past windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.liveness import Liveness
from ddnn.wire.messages import MAX_ROWS, Mask

SLOTS = 256
"""Samples in flight at most; the collector keeps within it."""
PAST = 8
"""Closed windows that a slot remembers, to know late rows by."""

_NONE = -1
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Windows that closed together.

    values: one array (N, ...) a member, zeros where it did not deliver.
    delivered_NM: which members did. present_NV: the views that their rows stand for.
    """

    samples_N: NDArray[np.uint32]
    delivered_NM: NDArray[np.bool_]
    present_NV: NDArray[np.bool_]
    values: tuple[NDArray[np.float32], ...]


class Gather:
    """The windows of one node for one kind of input."""

    def __init__(
        self,
        members: Sequence[str],
        shapes: Sequence[tuple[int, ...]],
        *,
        views_of: Sequence[frozenset[int]],
        views: int,
        deadline_s: float,
        patience_s: float,
        events: Counter[str],
        own: str | None = None,
        stands_in: Sequence[int | None] = (),
    ) -> None:
        """members: who delivers; shapes: of one row of each; views_of: the views behind each.

        own: the member that is this node itself, if one is. stands_in: for a member that is
        awaited only while another is gone, that one's place.
        """
        count = len(members)
        self.liveness = Liveness(members, patience_s, own)
        self._place = {name: place for place, name in enumerate(members)}
        self._stands_in = [(m, other) for m, other in enumerate(stands_in) if other is not None]
        self._deadline_s = deadline_s
        self._events = events
        self._behind_MV: NDArray[np.bool_] = np.zeros((count, views), dtype=bool)
        for place, seen in enumerate(views_of):
            self._behind_MV[place, sorted(seen)] = True
        self._sample_RM = np.full((SLOTS, count), _NONE, dtype=np.int64)
        self._waits_RM: NDArray[np.bool_] = np.zeros((SLOTS, count), dtype=bool)
        self._since_RM: NDArray[np.float64] = np.full((SLOTS, count), np.inf)
        self._present_MRV: NDArray[np.bool_] = np.zeros((count, SLOTS, views), dtype=bool)
        self._values = [np.zeros((SLOTS, *shape), dtype=np.float32) for shape in shapes]
        self._expected_R = np.full(SLOTS, _NONE, dtype=np.int64)
        self._awaited_RM: NDArray[np.bool_] = np.ones((SLOTS, count), dtype=bool)
        self._past_RP = np.full((SLOTS, PAST), _NONE, dtype=np.int64)
        self._oldest_R = np.zeros(SLOTS, dtype=np.int64)
        self._touched: list[NDArray[np.int64]] = []
        self._look_s = np.inf  # when every window must be looked at, whatever was touched

    def put(
        self,
        member: str,
        samples_N: NDArray[np.uint32],
        present_NV: NDArray[np.bool_],
        values: NDArray[np.float32],
        now_s: float,
    ) -> None:
        """One member's rows. Rows that are late, repeated or have no free slot are counted."""
        self.liveness.hear(member, now_s)
        place = self._place[member]
        slots_N = samples_N % SLOTS
        last_N, waits_N = self._sample_RM[slots_N, place], self._waits_RM[slots_N, place]
        closed_N = (self._past_RP[slots_N] == samples_N[:, None]).any(axis=1)
        fresh_N = ~waits_N & ~closed_N & (last_N < samples_N)
        if not fresh_N.all():
            refused_N = ~fresh_N
            waits_N = waits_N & ~closed_N
            self._count(samples_N[refused_N], last_N[refused_N], waits_N[refused_N])
            slots_N, samples_N = slots_N[fresh_N], samples_N[fresh_N]
            present_NV, values = present_NV[fresh_N], values[fresh_N]
        if not len(slots_N):
            return
        self._touched.append(slots_N.astype(np.int64))
        lost_s = self.liveness.next_change_s(now_s)
        deadline_s = now_s + self._deadline_s
        look_s = deadline_s if lost_s is None else min(deadline_s, lost_s)
        self._look_s = min(self._look_s, look_s)
        self._sample_RM[slots_N, place] = samples_N
        self._waits_RM[slots_N, place] = True
        self._since_RM[slots_N, place] = now_s
        self._present_MRV[place, slots_N] = present_NV & self._behind_MV[place]
        self._values[place][slots_N] = values

    def _count(
        self, samples_N: NDArray[np.uint32], last_N: NDArray[np.int64], waits_N: NDArray[np.bool_]
    ) -> None:
        """Adds rows that are refused to the events. waits_N: the member's slot is in use."""
        duplicate = int((waits_N & (last_N == samples_N)).sum())
        busy = int((waits_N & (last_N < samples_N)).sum())
        self._events["duplicate"] += duplicate
        self._events["busy-slot"] += busy
        self._events["late"] += len(samples_N) - duplicate - busy

    def expect(self, samples_N: NDArray[np.uint32], present_NV: NDArray[np.bool_]) -> None:
        """Only members with one of these views behind them will deliver. Opens no window."""
        awaited_NM = np.any(present_NV[:, None, :] & self._behind_MV[None], axis=2)
        slots_N = samples_N % SLOTS
        same_NM = self._sample_RM[slots_N] == self._expected_R[slots_N, None]
        free_N = ~(self._waits_RM[slots_N] & same_NM).any(axis=1)
        self._expected_R[slots_N[free_N]] = samples_N[free_N]
        self._awaited_RM[slots_N[free_N]] = awaited_NM[free_N]
        self._touched.append(slots_N[free_N].astype(np.int64))

    def close(self, now_s: float) -> list[Batch]:
        """The windows that are complete or overdue, oldest sample first, at most MAX_ROWS each."""
        closed = list(self._closing(self._candidates(now_s), now_s))
        found = self._batches(closed) if any(len(slots) for slots, _ in closed) else []
        if now_s >= self._look_s:
            self._look_s = self._next_look_s(now_s)
        return found

    def _batches(self, closed: list[tuple[NDArray[np.int64], NDArray[np.bool_]]]) -> list[Batch]:
        slots = np.concatenate([slots for slots, _ in closed])
        delivered_NM = np.concatenate([delivered_NM for _, delivered_NM in closed])
        samples = self._sample_RM[slots, delivered_NM.argmax(axis=1)]
        order = np.argsort(samples)
        slots, samples, delivered_NM = slots[order], samples[order], delivered_NM[order]
        self._forget(slots, samples, delivered_NM)
        return [
            self._batch(slots[part], samples[part], delivered_NM[part])
            for part in (slice(i, i + MAX_ROWS) for i in range(0, len(slots), MAX_ROWS))
        ]

    def _candidates(self, now_s: float) -> NDArray[np.int64]:
        """Slots whose windows may close: those touched since the last look; all of them when a
        deadline or a member's silence is due."""
        if now_s >= self._look_s:
            self._touched.clear()
            return np.flatnonzero(self._waits_RM.any(axis=1))
        if not self._touched:
            return np.empty(0, dtype=np.int64)
        slots_K = self._touched[0] if len(self._touched) == 1 else np.concatenate(self._touched)
        self._touched.clear()
        slots_K = np.unique(slots_K)
        return slots_K[self._waits_RM[slots_K].any(axis=1)]

    def _closing(
        self, slots_K: NDArray[np.int64], now_s: float
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """Slots with a window to close, and its members. Members of one slot mostly agree on the
        sample; where they do not, each sample has its own window, and takes another turn.
        """
        alive_M = self.liveness.alive_M(now_s)
        for member, other in self._stands_in:
            alive_M[member] &= not alive_M[other]
        waits_KM = self._waits_RM[slots_K]
        while slots_K.size:
            samples_KM = np.where(waits_KM, self._sample_RM[slots_K], _NEVER)
            samples_K = samples_KM.min(axis=1)
            window_KM = samples_KM == samples_K[:, None]
            expected_K = self._expected_R[slots_K] == samples_K
            awaited_KM = (self._awaited_RM[slots_K] | ~expected_K[:, None]) & alive_M
            complete_K = (window_KM | ~awaited_KM).all(axis=1)
            opened_K = np.where(window_KM, self._since_RM[slots_K], np.inf).min(axis=1)
            closes_K = complete_K | (opened_K + self._deadline_s <= now_s)
            yield slots_K[closes_K], window_KM[closes_K]
            waits_KM = waits_KM & ~window_KM
            more_K = waits_KM.any(axis=1)
            slots_K, waits_KM = slots_K[more_K], waits_KM[more_K]

    def _forget(
        self, slots: NDArray[np.int64], samples: NDArray[np.int64], delivered_NM: NDArray[np.bool_]
    ) -> None:
        """The windows are over; what still comes for them is late."""
        for slot, sample in zip(slots.tolist(), samples.tolist(), strict=True):
            self._past_RP[slot, self._oldest_R[slot]] = sample
            self._oldest_R[slot] = (self._oldest_R[slot] + 1) % PAST
        rows, members = np.nonzero(delivered_NM)
        self._waits_RM[slots[rows], members] = False

    def _batch(
        self, slots_N: NDArray[np.int64], samples_N: NDArray[np.int64], delivered_NM: Mask
    ) -> Batch:
        present_NV = (self._present_MRV[:, slots_N] & delivered_NM.T[:, :, None]).any(axis=0)
        delivered_NM = delivered_NM & self._present_MRV[:, slots_N].any(axis=2).T
        values = [values[slots_N] for values in self._values]
        for place in np.flatnonzero(~delivered_NM.all(axis=0)):
            values[place][~delivered_NM[:, place]] = 0
        return Batch(
            samples_N.astype(np.uint32), delivered_NM, np.asarray(present_NV), tuple(values)
        )

    def due_s(self, now_s: float) -> float | None:
        """When a window will close though nothing more arrives."""
        return None if self._look_s == np.inf else self._look_s

    def _next_look_s(self, now_s: float) -> float:
        """When a window is overdue or a member given up; infinity without windows."""
        if not self._waits_RM.any():
            return np.inf
        deadline_s = float(self._since_RM[self._waits_RM].min()) + self._deadline_s
        lost_s = self.liveness.next_change_s(now_s)
        return deadline_s if lost_s is None else min(deadline_s, lost_s)
