"""A small data set for the data tests."""

from __future__ import annotations

from typing import Any

import numpy as np


def small_arrays() -> dict[str, Any]:
    """20 samples of 2 views of 3 x 4 x 5 pixels; the second view is absent in every fourth."""
    generator = np.random.default_rng(7)
    y = np.repeat((np.arange(20) % 2)[:, None], 2, axis=1)
    y[::4, 1] = 2
    return {
        "X": generator.integers(1, 256, (20, 2, 3, 4, 5), dtype=np.uint8),
        "y": y,
        "frame": np.arange(20) // 2 + 100,
        "split": np.array([0] * 12 + [1] * 3 + [2] * 5),
    }
