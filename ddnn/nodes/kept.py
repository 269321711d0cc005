"""Features that a section keeps until somebody asks for them: the last SLOTS samples.

Axes: N samples, V views, R slots, F filters, H, W.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.gather import SLOTS
from ddnn.wire.messages import Features

_FREE = -1


class KeptFeatures:
    """A ring: sample s in slot s mod SLOTS."""

    def __init__(self) -> None:
        self._sample_R = np.full(SLOTS, _FREE, dtype=np.int64)
        self._present_RV: NDArray[np.bool_] | None = None
        self._features_RFHW: NDArray[np.float32] | None = None

    def put(self, features: Features) -> None:
        """Keeps each row, in place of the sample that had its slot."""
        if self._present_RV is None or self._features_RFHW is None:
            self._present_RV = np.zeros((SLOTS, features.present_NV.shape[1]), dtype=bool)
            shape = (SLOTS, *features.features_NFHW.shape[1:])
            self._features_RFHW = np.zeros(shape, dtype=np.float32)
        slots_N = features.samples_N % SLOTS
        self._sample_R[slots_N] = features.samples_N
        self._present_RV[slots_N] = features.present_NV
        self._features_RFHW[slots_N] = features.features_NFHW

    def get(self, samples_N: NDArray[np.uint32]) -> Features | None:
        """The features of those samples that are kept, None where none is."""
        known_N = samples_N[self._sample_R[samples_N % SLOTS] == samples_N]
        if self._present_RV is None or self._features_RFHW is None or not len(known_N):
            return None
        slots_N = known_N % SLOTS
        return Features(known_N, self._present_RV[slots_N], self._features_RFHW[slots_N])
