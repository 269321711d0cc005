"""Features that a section keeps until somebody asks for them: the last SLOTS samples.

Axes: N samples, V views, R slots, F filters, H, W.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.gather import SLOTS
from ddnn.wire.messages import Features, Mask

_FREE = -1


class KeptFeatures:
    """Two rings, sample s in slot s mod SLOTS: for samples of most views, and for the others.

    One child that sends samples nobody asked for makes rows of few views: they take no slot of
    those that its siblings share in.
    """

    def __init__(self, views: int = 1) -> None:
        """views: behind the section."""
        self._most = (views + 1) // 2
        self._rings = (_Ring(), _Ring())

    def put(self, features: Features) -> None:
        """Keeps each row, in place of the sample that had its slot."""
        most_N = features.present_NV.sum(axis=1) >= self._most
        for ring, rows_N in zip(self._rings, (most_N, ~most_N), strict=True):
            if rows_N.all():
                ring.put(features)
            elif rows_N.any():
                ring.put(_take(features, rows_N))

    def get(self, samples_N: NDArray[np.uint32]) -> Features | None:
        """The features of those samples that are kept, None where none is."""
        found = [features for ring in self._rings if (features := ring.get(samples_N)) is not None]
        if len(found) < 2:
            return found[0] if found else None
        most, few = found
        few = _take(few, ~np.isin(few.samples_N, most.samples_N))
        return Features(
            np.concatenate([most.samples_N, few.samples_N]),
            np.concatenate([most.present_NV, few.present_NV]),
            np.concatenate([most.features_NFHW, few.features_NFHW]),
        )


class _Ring:
    def __init__(self) -> None:
        self._sample_R = np.full(SLOTS, _FREE, dtype=np.int64)
        self._present_RV: NDArray[np.bool_] | None = None
        self._features_RFHW: NDArray[np.float32] | None = None

    def put(self, features: Features) -> None:
        if self._present_RV is None or self._features_RFHW is None:
            self._present_RV = np.zeros((SLOTS, features.present_NV.shape[1]), dtype=bool)
            shape = (SLOTS, *features.features_NFHW.shape[1:])
            self._features_RFHW = np.zeros(shape, dtype=np.float32)
        slots_N = features.samples_N % SLOTS
        self._sample_R[slots_N] = features.samples_N
        self._present_RV[slots_N] = features.present_NV
        self._features_RFHW[slots_N] = features.features_NFHW

    def get(self, samples_N: NDArray[np.uint32]) -> Features | None:
        known_N = samples_N[self._sample_R[samples_N % SLOTS] == samples_N]
        if self._present_RV is None or self._features_RFHW is None or not len(known_N):
            return None
        slots_N = known_N % SLOTS
        return Features(known_N, self._present_RV[slots_N], self._features_RFHW[slots_N])


def _take(features: Features, rows_N: Mask) -> Features:
    return Features(
        features.samples_N[rows_N], features.present_NV[rows_N], features.features_NFHW[rows_N]
    )
