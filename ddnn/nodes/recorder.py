"""A collector that keeps all answers, as arrays: for runs in one process, and for tests.

Memory grows with the number of samples. Axes: N samples, V views.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.collector import Collector
from ddnn.report.verdicts import NO_EXIT, UNANSWERED, Answer


class Recorder(Collector):
    """Its arrays say by sample what the fields of an Answer say; a sample that is not answered
    yet has latency NaN."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        nothing = (NO_EXIT, UNANSWERED, 1.0, 0, False, math.nan)
        self._kept = [Answer(sample, *nothing) for sample in range(self._asking.end)]

    @property
    def kept(self) -> list[Answer]:
        """All answers, by sample."""
        for answer in self.take_answers():
            self._kept[answer.sample] = answer
        return self._kept

    @property
    def exit_N(self) -> NDArray[np.int64]:
        """See the class."""
        return np.array([answer.exit for answer in self.kept], dtype=np.int64)

    @property
    def predicted_N(self) -> NDArray[np.int64]:
        """See the class."""
        return np.array([answer.predicted for answer in self.kept], dtype=np.int64)

    @property
    def entropy_N(self) -> NDArray[np.float32]:
        """See the class."""
        return np.array([answer.entropy for answer in self.kept], dtype=np.float32)

    @property
    def present_NV(self) -> NDArray[np.bool_]:
        """See the class."""
        views = range(len(self._devices))
        seen = [[answer.views >> v & 1 for v in views] for answer in self.kept]
        return np.array(seen, dtype=bool).reshape(-1, len(views))

    @property
    def degraded_N(self) -> NDArray[np.bool_]:
        """See the class."""
        return np.array([answer.degraded for answer in self.kept], dtype=bool)

    @property
    def latency_N(self) -> NDArray[np.float64]:
        """See the class."""
        return np.array([answer.latency_s for answer in self.kept])
