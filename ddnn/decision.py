"""How an exit decides: temperature, softmax, normalized entropy, threshold.

Training and runtime both decide with this code, so that they decide alike: `decide_one` gives, of a
single row and without arrays, the same bits as `decide`.
Axes: N samples, K classes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ShapeError

_TINY = float(np.finfo(np.float64).tiny)  # 0 log 0 is 0; no float32 but 0 is below
_IN_ORDER = 8
"""NumPy adds fewer numbers one after the other, more of them in another order."""
_FLOATS = [struct.Struct(f"{count}f") for count in range(_IN_ORDER)]


class Decision(NamedTuple):
    """What one exit makes of N samples."""

    predicted_N: NDArray[np.int64]
    entropy_N: NDArray[np.float32]
    probability_N: NDArray[np.float32]


def decide(logits_NK: NDArray[np.float32], temperature: float = 1.0) -> Decision:
    """Class, normalized entropy and the class's probability, of each row; equal logits give the
    lowest class."""
    probabilities_NK = softmax(logits_NK, temperature)
    return Decision(
        np.argmax(probabilities_NK, axis=1),
        normalized_entropy(probabilities_NK),
        probabilities_NK.max(axis=1),
    )


def decide_one(logits_K: Sequence[float], temperature: float = 1.0) -> tuple[int, float, float]:
    """As `decide`, of one row of float32: its class, entropy and the class's probability.

    A network has few classes: what takes time is not arithmetic but making arrays. Exponential and
    logarithm are NumPy's, whose last bits are not those of `math`.
    """
    if not 1 < len(logits_K) < _IN_ORDER:
        return _decide_by_array(logits_K, temperature)
    scaled_K = [logit / temperature for logit in logits_K]
    top = max(scaled_K)
    exp_K: list[float] = np.exp([value - top for value in scaled_K]).tolist()
    total = _added(exp_K)
    if not math.isfinite(total):
        return _decide_by_array(logits_K, temperature)
    floats = _FLOATS[len(exp_K)]
    p_K = floats.unpack(floats.pack(*[value / total for value in exp_K]))
    log_K: list[float] = np.log([max(p, _TINY) for p in p_K]).tolist()
    entropy = _added([p * log for p, log in zip(p_K, log_K, strict=True)]) / -math.log(len(p_K))
    (rounded,) = _FLOATS[1].unpack(_FLOATS[1].pack(min(max(0.0, entropy), 1.0)))
    probability = max(p_K)
    return p_K.index(probability), rounded, probability


def _added(values: Sequence[float]) -> float:
    """One after the other; `sum` corrects what is rounded off, from Python 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


def _decide_by_array(logits_K: Sequence[float], temperature: float) -> tuple[int, float, float]:
    found = decide(np.array([logits_K], dtype=np.float32), temperature)
    return int(found.predicted_N[0]), float(found.entropy_N[0]), float(found.probability_N[0])


def is_sure_of_one(entropy: float, threshold: float | None) -> bool:
    """As `is_sure`, of one entropy that is a float32: so the threshold is rounded to one."""
    if threshold is None or threshold >= 1:
        return True
    (rounded,) = _FLOATS[1].unpack(_FLOATS[1].pack(threshold))
    return bool(entropy < rounded)


MARGINS = (0.25, 1.0, 2.0)
"""Bounds between which margins are counted, see `score_counts`."""
KINDS = 4
"""Of winning classes that are told apart there: classes K apart count as one."""
SCORE_BINS = KINDS * (len(MARGINS) + 1)


def score_counts(scores_NK: NDArray[np.float32]) -> NDArray[np.int64]:
    """What a device's scores look like, in a few numbers: rows counted by their best class and by
    how far its score is ahead of the second. Returns (SCORE_BINS,)."""
    best_N2 = np.partition(scores_NK, -2, axis=1)[:, -2:]
    margins_N = np.searchsorted(MARGINS, best_N2[:, 1] - best_N2[:, 0])
    bins_N = scores_NK.argmax(axis=1) % KINDS * (len(MARGINS) + 1) + margins_N
    return np.bincount(bins_N, minlength=SCORE_BINS)


def is_sure(
    entropy_N: NDArray[np.float32], threshold: float | NDArray[np.float32] | None
) -> NDArray[np.bool_]:
    """Where an exit answers: strictly below its threshold (paper, figure 4); None: always.

    threshold: of all samples, or of each. One of 1 also admits an entropy of exactly 1: table II
    exits all samples at T = 1.
    """
    if threshold is None:
        return np.ones(len(entropy_N), dtype=bool)
    return np.asarray((entropy_N < threshold) | (np.asarray(threshold) >= 1))


def softmax(logits_NK: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Class probabilities; a temperature above 1 makes them less certain."""
    scaled_NK = logits_NK.astype(np.float64) / temperature
    scaled_NK -= scaled_NK.max(axis=1, keepdims=True)
    exp_NK = np.exp(scaled_NK)
    return np.asarray(exp_NK / exp_NK.sum(axis=1, keepdims=True), dtype=np.float32)


def normalized_entropy(probabilities_NK: NDArray[np.float32]) -> NDArray[np.float32]:
    """How unsure a classifier is: 0 is certain, 1 is uniform.

    probabilities_NK: rows sum to 1.
    Returns (N,), no unit, in [0, 1].
    Raises ShapeError for fewer than 2 classes: log 1 is 0.
    Source: Teerapittayanon et al. 2017, section III-D.
    """
    classes = probabilities_NK.shape[-1]
    if classes < 2:
        raise ShapeError(f"probabilities: got {classes} class, want at least 2")
    p_NK = probabilities_NK.astype(np.float64)
    terms_NK = p_NK * np.log(np.maximum(p_NK, _TINY))
    entropy_N = terms_NK.sum(axis=1) / -math.log(classes)
    return np.asarray(np.minimum(np.maximum(entropy_N, 0.0), 1.0), dtype=np.float32)
