"""Kept features. N samples, V views."""

import numpy as np

from ddnn.nodes.gather import SLOTS
from ddnn.nodes.kept import KeptFeatures
from ddnn.wire.messages import Features

VIEWS = 4


def features(samples: list[int], views: int) -> Features:
    """Rows that tell their sample and how many views are in them."""
    samples_N = np.array(samples, dtype=np.uint32)
    present_NV = np.zeros((len(samples), VIEWS), dtype=bool)
    present_NV[:, :views] = True
    values = (samples_N % 9973).astype(np.float32) + views / 8
    return Features(samples_N, present_NV, values.reshape(-1, 1, 1, 1))


def known(kept: KeptFeatures, *samples: int) -> dict[int, int]:
    """Which are kept, and of how many views."""
    found = kept.get(np.array(samples, dtype=np.uint32))
    if found is None:
        return {}
    views_N = found.present_NV.sum(axis=1)
    wanted_N = (found.samples_N % 9973).astype(np.float32) + views_N / 8
    np.testing.assert_array_equal(found.features_NFHW.ravel(), wanted_N)
    return dict(zip(found.samples_N.tolist(), views_N.tolist(), strict=True))


def test_the_last_samples_are_kept():
    kept = KeptFeatures(VIEWS)
    for start in range(0, 2 * SLOTS, 64):
        kept.put(features(list(range(start, start + 64)), VIEWS))
    assert known(kept, 0, SLOTS - 1, SLOTS, 2 * SLOTS - 1) == {SLOTS: VIEWS, 2 * SLOTS - 1: VIEWS}


def test_samples_that_one_child_made_up_take_no_place_of_the_others():
    kept = KeptFeatures(VIEWS)
    kept.put(features([3, 4], VIEWS))
    for n in range(SLOTS):
        kept.put(features([2**32 - 1 - n], 1))
    assert known(kept, 3, 4) == {3: VIEWS, 4: VIEWS}
    assert known(kept, 2**32 - 1, 3) == {3: VIEWS, 2**32 - 1: 1}


def test_a_sample_that_came_twice_is_answered_with_most_views():
    kept = KeptFeatures(VIEWS)
    kept.put(features([3], 1))
    kept.put(features([3, 5], 2))
    assert known(kept, 3, 5, 7) == {3: 2, 5: 2}
