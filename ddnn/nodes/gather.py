"""Collects what several nodes say of one sample, until all have spoken or the deadline passes.

A window opens with the first delivery for a sample and closes when every live member has delivered,
or at its deadline. What comes later is counted and never merged into anything.

Windows live in a ring of slots, sample s in slot s mod SLOTS: memory is bounded whatever arrives.

Axes: N rows of a message or batch, M members, V views, R slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.liveness import Liveness
from ddnn.wire.messages import MAX_ROWS

SLOTS = 256
"""Samples in flight at most; the collector keeps within it."""

_FREE = -1


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
    ) -> None:
        """members: who delivers; shapes: of one row of each; views_of: the views behind each.

        own: the member that is this node itself, if one is.
        """
        count = len(members)
        self.liveness = Liveness(members, patience_s, own)
        self._place = {name: place for place, name in enumerate(members)}
        self._deadline_s = deadline_s
        self._events = events
        self._behind_MV: NDArray[np.bool_] = np.zeros((count, views), dtype=bool)
        for place, seen in enumerate(views_of):
            self._behind_MV[place, sorted(seen)] = True
        self._sample_R = np.full(SLOTS, _FREE, dtype=np.int64)
        self._closed_R: NDArray[np.bool_] = np.ones(SLOTS, dtype=bool)
        self._opened_R: NDArray[np.float64] = np.full(SLOTS, np.inf)
        self._awaited_RM = np.zeros((SLOTS, count), dtype=bool)
        self._delivered_RM = np.zeros((SLOTS, count), dtype=bool)
        self._present_RV = np.zeros((SLOTS, views), dtype=bool)
        self._values = [np.zeros((SLOTS, *shape), dtype=np.float32) for shape in shapes]

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
        self._claim(samples_N)
        slots_N = samples_N % SLOTS
        mine_N = self._sample_R[slots_N] == samples_N
        fits_N = mine_N & ~self._closed_R[slots_N]
        self._events["late"] += int(
            (mine_N & ~fits_N).sum() + (samples_N < self._sample_R[slots_N]).sum()
        )
        fresh_N = fits_N & ~self._delivered_RM[slots_N, place]
        if not fresh_N.all():
            self._events["duplicate"] += int((fits_N & ~fresh_N).sum())
            slots_N, present_NV, values = slots_N[fresh_N], present_NV[fresh_N], values[fresh_N]
        self._opened_R[slots_N] = np.minimum(self._opened_R[slots_N], now_s)
        self._delivered_RM[slots_N, place] = True
        self._present_RV[slots_N] |= present_NV & self._behind_MV[place]
        self._values[place][slots_N] = values

    def expect(self, samples_N: NDArray[np.uint32], present_NV: NDArray[np.bool_]) -> None:
        """Only members with one of these views behind them will deliver. Opens no window."""
        awaited_NM = np.any(present_NV[:, None, :] & self._behind_MV[None], axis=2)
        self._claim(samples_N)
        slots_N = samples_N % SLOTS
        fits_N = (self._sample_R[slots_N] == samples_N) & ~self._closed_R[slots_N]
        self._awaited_RM[slots_N[fits_N]] = awaited_NM[fits_N]

    def _claim(self, samples_N: NDArray[np.uint32]) -> None:
        """Gives each sample its slot, unless that holds a newer sample or an open window."""
        slots_N = samples_N % SLOTS
        newer_N = samples_N.astype(np.int64) > self._sample_R[slots_N]
        if not newer_N.any():
            return
        free_N = ~np.isfinite(self._opened_R[slots_N]) | self._closed_R[slots_N]
        self._events["busy-slot"] += int((newer_N & ~free_N).sum())
        fresh = slots_N[newer_N & free_N]
        self._sample_R[fresh] = samples_N[newer_N & free_N]
        self._closed_R[fresh] = False
        self._opened_R[fresh] = np.inf
        self._awaited_RM[fresh] = True
        self._delivered_RM[fresh] = False
        self._present_RV[fresh] = False
        for values in self._values:
            values[fresh] = 0

    def close(self, now_s: float) -> list[Batch]:
        """The windows that are complete or overdue, oldest sample first, at most MAX_ROWS each."""
        open_R = self._open_R()
        if not open_R.any():
            return []
        awaited_RM = self._awaited_RM & self.liveness.alive_M(now_s)
        complete_R = (self._delivered_RM | ~awaited_RM).all(axis=1)
        overdue_R = self._opened_R + self._deadline_s <= now_s
        slots = np.flatnonzero(open_R & (complete_R | overdue_R))
        self._closed_R[slots] = True
        slots = slots[np.argsort(self._sample_R[slots])]
        return [self._batch(slots[i : i + MAX_ROWS]) for i in range(0, len(slots), MAX_ROWS)]

    def _open_R(self) -> NDArray[np.bool_]:
        """Slots with a window: something was delivered and it is not closed."""
        return np.asarray(np.isfinite(self._opened_R) & ~self._closed_R)

    def _batch(self, slots_N: NDArray[np.int64]) -> Batch:
        return Batch(
            self._sample_R[slots_N].astype(np.uint32),
            self._delivered_RM[slots_N],
            self._present_RV[slots_N],
            tuple(values[slots_N] for values in self._values),
        )

    def due_s(self, now_s: float) -> float | None:
        """When a window will close though nothing more arrives."""
        open_R = self._open_R()
        if not open_R.any():
            return None
        deadline_s = float(self._opened_R[open_R].min()) + self._deadline_s
        lost_s = self.liveness.next_change_s(now_s)
        return deadline_s if lost_s is None else min(deadline_s, lost_s)
