"""Mean and deviation of each channel of a view, over the samples that show something.

Axes: N samples, C channels, H, W.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.views import blocks

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Means (C,) and standard deviations (C,)."""


def channel_statistics(array_NCHW: NDArray[Any]) -> Statistics:
    """Of one device's view; views that are all 0 do not count. 0 and 0 where all are.

    Sums of squares about the first sample's means: no digits are lost to a large offset.
    """
    channels = array_NCHW.shape[1]
    count, offset_C = 0, np.zeros(channels)
    total_C, squares_C = np.zeros(channels), np.zeros(channels)
    for block in blocks(array_NCHW):
        seen = block[block.any(axis=(1, 2, 3))].astype(np.float64)
        if not len(seen):
            continue
        if not count:
            offset_C = seen[0].mean(axis=(1, 2))
        moved = seen - offset_C[:, None, None]
        count += moved[:, 0].size
        total_C += moved.sum(axis=(0, 2, 3))
        squares_C += (moved**2).sum(axis=(0, 2, 3))
    mean_C = total_C / max(count, 1)
    variance_C = np.maximum(squares_C / max(count, 1) - mean_C**2, 0)
    return (mean_C + offset_C).astype(np.float32), np.sqrt(variance_C).astype(np.float32)
