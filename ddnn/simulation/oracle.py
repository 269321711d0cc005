"""What each verdict must be: the masked model's, all recorded samples at once, kept by views.

Axes: N recorded samples, V views, C image channels, H, W.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.data.views import Views
from ddnn.nodes.masked import MaskedModel, Recomputed

MOST_KNOWN = 4096
"""Sets of views whose answers are kept."""


class Answers(Protocol):
    """Knows what verdicts must be; see Oracle."""

    absent_N: list[int]

    def expected(self, views: int, exit_name: str) -> Recomputed: ...


class Oracle:
    """The masked model of a bundle, for the samples that its cameras recorded.

    absent_N: bits of the views that have no part in a sample because they are black.
    """

    def __init__(self, bundle: Bundle, views: Views) -> None:
        self._model = MaskedModel(bundle, views)
        self._samples = range(len(views))
        self._known: dict[tuple[int, str], Recomputed] = {}
        black_NV: NDArray[np.bool_] = ~views.seen_NV
        black_NV = black_NV & bundle.topology.skips_absent
        self.absent_N = [sum(1 << v for v in np.flatnonzero(row).tolist()) for row in black_NV]

    def expected(self, views: int, exit_name: str) -> Recomputed:
        """What the exit says of every recorded sample when these (see MaskedModel) take part."""
        key = (views, exit_name)
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            views_N = [views] * len(self._samples)
            self._known[key] = self._model.recompute(exit_name, self._samples, views_N)
        return self._known[key]
