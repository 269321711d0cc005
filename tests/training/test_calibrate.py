"""N samples, K classes."""

import numpy as np
import pytest

from ddnn.errors import ConfigError
from ddnn.training.calibrate import Goal, Point, choose, temperature

POINTS = [
    Point(threshold=0.0, accuracy=0.98, early_share=0.0, payload_bytes=140),
    Point(threshold=0.4, accuracy=0.99, early_share=0.5, payload_bytes=76),
    Point(threshold=0.8, accuracy=0.97, early_share=0.8, payload_bytes=38),
    Point(threshold=1.0, accuracy=0.92, early_share=1.0, payload_bytes=12),
]


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_temperature_is_found_again(truth):
    rng = np.random.default_rng(0)
    logits_NK = rng.normal(0, 2, (20_000, 3)).astype(np.float32)
    gumbel = rng.gumbel(size=logits_NK.shape)
    labels_N = (logits_NK / truth + gumbel).argmax(axis=1)
    assert temperature(logits_NK, labels_N) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize(
    ("goal", "threshold"),
    [
        (Goal(accuracy=0.96), 0.8),
        (Goal(accuracy=0.985), 0.4),
        (Goal(payload_bytes=50), 0.8),
        (Goal(payload_bytes=12), 1.0),
        (Goal(payload_bytes=500), 0.4),
        (Goal(local_share=0.5), 0.4),
        (Goal(local_share=0.6), 0.8),
        (Goal(local_share=1.0), 1.0),
    ],
)
def test_a_goal_is_served_at_the_least_cost(goal, threshold):
    assert choose(POINTS, goal).threshold == threshold


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal(accuracy=0.999), "accuracy of 0.999 on validation data, best is 0.9900"),
        (Goal(payload_bytes=5), "5 bytes on validation data, least is 12.0"),
        (Goal(accuracy=0.9, local_share=0.5), "want one of"),
    ],
)
def test_a_goal_out_of_reach_names_the_nearest(goal, words):
    with pytest.raises(ConfigError, match=words):
        choose(POINTS, goal)
