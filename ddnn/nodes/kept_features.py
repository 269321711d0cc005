"""Features that a section keeps until somebody asks for them: the last SLOTS samples.

Axes: N samples, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ddnn.nodes.gather import SLOTS
from ddnn.wire.messages import Features


class _Row(NamedTuple):
    sample: int
    views: int
    features: bytes


class KeptFeatures:
    """Two rings, sample s in slot s mod SLOTS: for samples of most views, and for the others.

    One child that sends samples nobody asked for makes rows of few views: they take no slot of
    those that its siblings share in.
    """

    def __init__(self, behind: int = 1) -> None:
        """behind: bit v for each view v behind the section."""
        self._behind = behind
        self._most = (behind.bit_count() + 1) // 2
        self._most_R: list[_Row | None] = [None] * SLOTS
        self._few_R: list[_Row | None] = [None] * SLOTS
        self._shape: tuple[int, ...] = ()

    def put(self, features: Features) -> None:
        """Keeps each row, in place of the sample that had its slot."""
        samples_N, views_N = features.samples_N, features.views_N
        features_NFHW = features.features_NFHW
        self._shape = features_NFHW.shape[1:]
        values = features_NFHW.tobytes()
        row_bytes = len(values) // len(samples_N)
        for number, (sample, views) in enumerate(zip(samples_N, views_N, strict=True)):
            count = (views & self._behind).bit_count()
            ring = self._most_R if count >= self._most else self._few_R
            row = values[number * row_bytes : (number + 1) * row_bytes]
            ring[sample % SLOTS] = _Row(sample, views, row)

    def get(self, samples_N: Sequence[int]) -> Features | None:
        """The features of those samples that are kept, None where none is."""
        rows = [row for sample in samples_N if (row := self._find(sample)) is not None]
        if not rows:
            return None
        values = np.frombuffer(b"".join([row.features for row in rows]), np.float32)
        return Features(
            [row.sample for row in rows],
            [row.views for row in rows],
            values.reshape(len(rows), *self._shape),
        )

    def _find(self, sample: int) -> _Row | None:
        for ring in (self._most_R, self._few_R):
            row = ring[sample % SLOTS]
            if row is not None and row.sample == sample:
                return row
        return None
