"""Accuracies where samples are not independent: many are of one object.

Forty views of a parked car are one car. So intervals are drawn over objects, not samples, and what
stands still is reported apart from what moves.
Axes: N samples.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ddnn.data.multiview import DataSet
from ddnn.data.objects import copied

NEAR = 12.0
"""Grey levels (rms) up to which two views are copies, as in the card `epfl-by-object`."""
DRAWS = 2000


def apart(data: DataSet, right_N: NDArray[np.float64], measure: str) -> dict[str, float]:
    """Per cent of the test samples: all; near-copies of another sample of the set, which stand
    still, and the rest, where there are both; each object weighing the same.

    right_N: 0 to 1 of each test sample. NAME_error: half a 95 % interval over objects, where they
    are known.
    """
    still_N = _standing(data)[data.split.test]
    parts = {measure: np.ones_like(still_N)}
    if still_N.any() and not still_N.all():
        parts |= {"still": still_N, "moving": ~still_N}
    found: dict[str, float] = {}
    for name, part_N in parts.items():
        found[name] = 100 * float(right_N[part_N].mean())
        found[f"{name}_samples"] = int(part_N.sum())
        if data.objects_N is not None:
            objects_N = data.objects_N[data.split.test][part_N]
            found[f"{name}_error"] = 100 * half_interval(right_N[part_N], objects_N)
    if data.objects_N is None:
        return found
    objects_N = data.objects_N[data.split.test]
    found |= share_right(right_N, objects_N, "per_object")
    return found | {"per_object_samples": len(np.unique(objects_N))}


def share_right(
    right_N: NDArray[np.float64], objects_N: NDArray[np.int64] | None, measure: str
) -> dict[str, float]:
    """Per cent; where objects are known, each of them alike, and half a 95 % interval over them.

    right_N: 0 to 1 of each sample, or a difference of two such.
    """
    if objects_N is None:
        return {measure: 100 * float(right_N.mean())}
    objects = np.unique(objects_N)
    each = np.array([right_N[objects_N == number].mean() for number in objects])
    return {
        measure: 100 * float(each.mean()),
        f"{measure}_error": 100 * half_interval(each, objects),
    }


def each_alike(objects_N: NDArray[np.int64] | None) -> NDArray[np.float64] | None:
    """(N,) weights of samples with which each object counts the same; none where unknown."""
    if objects_N is None:
        return None
    _, number_N, samples = np.unique(objects_N, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / samples[number_N])


@cache
def _standing(data: DataSet) -> NDArray[np.bool_]:
    """Of all samples; found once for a data set."""
    return copied(data.samples, near=NEAR)


def half_interval(right_N: NDArray[np.float64], objects_N: NDArray[np.int64]) -> float:
    """Half of a 95 % interval of the mean: bootstrap over whole objects, the same draws each
    time. Of one object nothing is known of others: 1."""
    _, number_N = np.unique(objects_N, return_inverse=True)
    right, samples = np.bincount(number_N, right_N), np.bincount(number_N)
    count = len(samples)
    if count < 2:
        return 1.0
    draws = np.random.default_rng(0).integers(count, size=(DRAWS, count))
    means = right[draws].sum(axis=1) / samples[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(high - low) / 2
