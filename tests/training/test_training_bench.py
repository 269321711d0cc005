import numpy as np

from ddnn.data.multiview import MultiView
from ddnn.training.bench import training_speed


def test_both_loops_train_the_same_samples():
    rng = np.random.default_rng(0)
    samples = MultiView(
        views=rng.integers(0, 256, (8, 6, 3, 32, 32), dtype=np.uint8),
        labels_NV=np.tile(rng.integers(0, 3, (8, 1)), (1, 6)),
        classes=("car", "bus", "person"),
    )
    speed = training_speed(samples, batch=4, rounds=1)
    assert speed["samples"] == 8
    assert speed["ratio"] == speed["ours_epoch_s"] / speed["plain_epoch_s"] > 0
