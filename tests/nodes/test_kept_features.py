"""Kept features. N samples."""

import numpy as np

from ddnn.nodes.gather import SLOTS
from ddnn.nodes.kept_features import KeptFeatures
from ddnn.wire.messages import Features

VIEWS = 4
BEHIND = 0b1111


def features(samples: list[int], views: int) -> Features:
    """Rows that tell their sample and how many views are in them."""
    values = np.array([sample % 9973 + views / 8 for sample in samples], dtype=np.float32)
    return Features(samples, [(1 << views) - 1] * len(samples), values.reshape(-1, 1, 1, 1))


def known(kept: KeptFeatures, *samples: int) -> dict[int, int]:
    """Which are kept, and of how many views."""
    found = kept.get(samples)
    if found is None:
        return {}
    views = {s: v.bit_count() for s, v in zip(found.samples_N, found.views_N, strict=True)}
    assert found.features_NFHW.ravel().tolist() == [s % 9973 + v / 8 for s, v in views.items()]
    return views


def test_the_last_samples_are_kept():
    kept = KeptFeatures(BEHIND)
    for start in range(0, 2 * SLOTS, 64):
        kept.put(features(list(range(start, start + 64)), VIEWS))
    assert known(kept, 0, SLOTS - 1, SLOTS, 2 * SLOTS - 1) == {SLOTS: VIEWS, 2 * SLOTS - 1: VIEWS}


def test_samples_that_one_child_made_up_take_no_place_of_the_others():
    kept = KeptFeatures(BEHIND)
    kept.put(features([3, 4], VIEWS))
    for n in range(SLOTS):
        kept.put(features([2**32 - 1 - n], 1))
    assert known(kept, 3, 4) == {3: VIEWS, 4: VIEWS}
    assert known(kept, 2**32 - 1, 3) == {3: VIEWS, 2**32 - 1: 1}


def test_a_sample_that_came_twice_is_answered_with_most_views():
    kept = KeptFeatures(BEHIND)
    kept.put(features([3], 1))
    kept.put(features([3, 5], 2))
    assert known(kept, 3, 5, 7) == {3: 2, 5: 2}


def test_what_says_only_that_somebody_was_passed_by_counts_for_no_view():
    kept = KeptFeatures(BEHIND)
    kept.put(features([3], 2))
    values = np.zeros((1, 1, 1, 1), dtype=np.float32)
    kept.put(Features([3 + SLOTS], [0b1_0001], values))
    assert known(kept, 3) == {3: 2}
