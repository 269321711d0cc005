"""Features that a section keeps until somebody asks for them: the last SLOTS samples.

Axes: N samples, F filters, H, W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.gather import SLOTS
from ddnn.wire.messages import Features


class _Row(NamedTuple):
    """A row of what a section gave for its batch, which stays as long as any row of it."""

    sample: int
    views: int
    features_NFHW: NDArray[np.float32]
    place: int


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

    def put(self, features: Features) -> None:
        """Keeps each row, in place of the sample that had its slot."""
        features_NFHW = features.features_NFHW
        pairs = zip(features.samples_N, features.views_N, strict=True)
        for place, (sample, views) in enumerate(pairs):
            count = (views & self._behind).bit_count()
            ring = self._most_R if count >= self._most else self._few_R
            ring[sample % SLOTS] = _Row(sample, views, features_NFHW, place)

    def get(self, samples_N: Sequence[int]) -> Features | None:
        """The features of those samples that are kept, None where none is."""
        rows = [row for sample in samples_N if (row := self._find(sample)) is not None]
        if not rows:
            return None
        return Features(
            [row.sample for row in rows],
            [row.views for row in rows],
            np.stack([row.features_NFHW[row.place] for row in rows]),
        )

    def _find(self, sample: int) -> _Row | None:
        for ring in (self._most_R, self._few_R):
            row = ring[sample % SLOTS]
            if row is not None and row.sample == sample:
                return row
        return None
