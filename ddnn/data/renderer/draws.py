"""Random numbers that are the same on every machine, and do not depend on how many are drawn.

Axes: N samples, V views.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORDS_PER_SAMPLE = 160
"""Random words set aside for one sample: sample n is the same whatever the size of the set."""


class Draws:
    """One row of random words a sample; every call uses up the next column."""

    def __init__(self, words_NW: NDArray[np.uint64], column: int = 0) -> None:
        self._words_NW = words_NW
        self._column = column

    @classmethod
    def seeded(cls, seed: int, count: int) -> Draws:
        """The rows of the first `count` samples of a seed."""
        generator = np.random.PCG64(seed)
        words = np.asarray(generator.random_raw(count * WORDS_PER_SAMPLE), dtype=np.uint64)
        return cls(words.reshape(count, WORDS_PER_SAMPLE))

    def rows(self, samples: NDArray[np.int64]) -> Draws:
        """The same for some of the samples; both go on from here on their own."""
        return Draws(self._words_NW[samples], self._column)

    def fork(self, column: int | None = None) -> Draws:
        """The same rows, from the same column or a given one on; leaves this one as it is."""
        return Draws(self._words_NW, self._column if column is None else column)

    def __len__(self) -> int:
        return len(self._words_NW)

    def uniform(self, low: float, high: float) -> Floats:
        """(N,) numbers in [low, high)."""
        words_N = self._words_NW[:, self._column]
        self._column += 1
        shares_N: Floats = (words_N >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return low + (high - low) * shares_N

    def views(self, count: int, low: float, high: float) -> Floats:
        """(N,V) numbers in [low, high)."""
        return np.stack([self.uniform(low, high) for _ in range(count)], axis=1)

    def choice(self, table: Floats) -> Floats:
        """(N, ...) rows of the table, each as likely."""
        chosen: Floats = table[np.floor(self.uniform(0, len(table))).astype(np.int64)]
        return chosen

    def chance(self, probability: float) -> NDArray[np.bool_]:
        """(N,) True with this probability."""
        drawn: NDArray[np.bool_] = self.uniform(0, 1) < probability
        return drawn


def turn(half_tangent: Floats) -> tuple[Floats, Floats]:
    """Cosine and sine of the angle whose half has this tangent: a rotation without sines.

    -1 to 1 covers -90 to 90 degrees.
    """
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


def noise(key: list[int], shape: tuple[int, ...]) -> Floats:
    """Bell-shaped noise of mean 0 and variance 1: the sum of four random bytes a value."""
    size = int(np.prod(shape))
    words = np.asarray(np.random.PCG64(key).random_raw((size + 1) // 2))
    parts = words.astype("<u8").view(np.uint8)[: 4 * size].reshape(size, 4).astype(np.float64)
    total = parts[:, 0] + parts[:, 1] + parts[:, 2] + parts[:, 3]
    return ((total - 510.0) / 147.8).reshape(shape)  # 4 bytes: mean 510, deviation 147.8
