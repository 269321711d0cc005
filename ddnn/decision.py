"""How an exit decides: temperature, softmax, normalized entropy, threshold.

Training and runtime both decide with this code, so that they decide alike.
Axes: N samples, K classes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ShapeError

_TINY = np.finfo(np.float64).tiny  # 0 log 0 is 0; no float32 but 0 is below


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


def is_sure(entropy_N: NDArray[np.float32], threshold: float | None) -> NDArray[np.bool_]:
    """Where an exit answers: strictly below its threshold (paper, figure 4); None: always.

    A threshold of 1 also admits an entropy of exactly 1: table II exits all samples at T = 1.
    """
    if threshold is None or threshold >= 1:
        return np.ones(len(entropy_N), dtype=bool)
    return np.asarray(entropy_N < threshold)


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
