"""N samples, K classes."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_joint
from tiny import make_topology

from ddnn.decision import decide
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.training.calibrate import (
    Goal,
    Point,
    between,
    calibrate,
    choose,
    curve,
    rules_for,
)
from ddnn.training.patterns import loss_patterns
from ddnn.training.temperature import temperature

POINTS = [
    Point(threshold=0.0, accuracy=0.98, early_share=0.0, payload_bytes=140),
    Point(threshold=0.4, accuracy=0.99, early_share=0.5, payload_bytes=76),
    Point(threshold=0.8, accuracy=0.97, early_share=0.8, payload_bytes=38),
    Point(threshold=1.0, accuracy=0.92, early_share=1.0, payload_bytes=12),
]
TEMPERATURES = {"local": 0.5, "edge": 2.0, "cloud": 3.0}


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
        (Goal(early_share=0.5), 0.4),
        (Goal(early_share=0.6), 0.8),
        (Goal(early_share=1.0), 1.0),
        (Goal(), 0.4),
    ],
)
def test_a_goal_is_served_at_the_least_cost(goal, threshold):
    assert choose(POINTS, goal).threshold == threshold


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal(accuracy=0.999), "accuracy of 0.999 on validation data, best is 0.9900"),
        (Goal(payload_bytes=5), "5 bytes on validation data, least is 12.0"),
        (Goal(accuracy=0.9, early_share=0.5), "want one of"),
    ],
)
def test_a_goal_out_of_reach_names_the_nearest(goal, words):
    with pytest.raises(ConfigError, match=words):
        choose(POINTS, goal)


def test_without_a_goal_some_samples_always_go_on():
    flat = [point._replace(accuracy=1.0) for point in POINTS]
    assert choose(flat, Goal()).threshold == 0.8


def test_where_early_exits_are_better_the_best_that_still_sends_some_on_is_taken():
    better = [
        point._replace(accuracy=accuracy)
        for point, accuracy in zip(POINTS, (0.90, 0.91, 0.96, 1.0), strict=True)
    ]
    assert choose(better, Goal()).threshold == 0.8


@pytest.mark.parametrize(("accuracy", "threshold"), [(0.986, 0.8), (0.984, 0.4)])
def test_without_a_goal_early_exits_may_cost_half_a_point(accuracy, threshold):
    points = [POINTS[0], POINTS[1], POINTS[2]._replace(accuracy=accuracy), POINTS[3]]
    assert choose(points, Goal()).threshold == threshold


def test_of_equally_good_thresholds_within_the_bytes_the_most_careful_is_taken():
    flat = [point._replace(accuracy=1.0) for point in POINTS]
    assert choose(flat, Goal(payload_bytes=100)).threshold == 0.4


def test_rules_have_each_exits_temperature_and_no_threshold_at_the_last():
    found = rules_for(dict.fromkeys(("local", "edge", "cloud")), TEMPERATURES, 0.25)
    assert {name: (rule.threshold, rule.temperature) for name, rule in found.items()} == {
        "local": (0.25, 0.5),
        "edge": (0.25, 2.0),
        "cloud": (None, 3.0),
    }


def test_the_curve_goes_from_sample_to_sample_at_the_exits_temperatures(data, topology):
    """A threshold in each gap between entropies: one sample after the other leaves early. What a
    point is right about is all patterns of loss, what it costs is with all devices."""
    samples = data.part("validation")
    patterns = loss_patterns(random_joint(topology, samples), samples, prior_class=0)
    labels_N = patterns.samples.fused_labels_N
    for cold in (0.2, 5.0):
        points = curve(patterns, {"local": cold, "cloud": 1.0})
        entropy_N = decide(patterns.logits["local"], cold).entropy_N
        right = {name: x.argmax(axis=1) == labels_N for name, x in patterns.logits.items()}
        for point in points[:-1]:
            early_N = entropy_N < point.threshold
            assert point.early_share == early_N[:24].mean()
            wanted = np.where(early_N, right["local"], right["cloud"]).mean()
            assert point.accuracy == pytest.approx(wanted)
            assert point.payload_bytes == pytest.approx(12 + 8 * (1 - early_N[:24].mean()))
        early = {int((entropy_N < point.threshold).sum()) for point in points}
        possible = {int((entropy_N <= entropy).sum()) for entropy in entropy_N}
        assert len(early & possible) > 0.9 * len(possible)  # some are too close together


def test_faultless_samples_do_not_make_a_classifier_infinitely_sure():
    labels_N = np.arange(300) % 3
    logits_NK = np.eye(3, dtype=np.float32)[labels_N] * 3
    assert temperature(logits_NK, labels_N) > 0.3


def test_calibration_sees_every_device_lost_once(data, topology):
    patterns = loss_patterns(Joint(topology), data.part("validation"), prior_class=0)
    assert patterns.whole == 24
    lost = (~patterns.present_NV).reshape(4, 24, 3)
    assert lost[:, 0].tolist() == [[False] * 3, *np.eye(3, dtype=bool).tolist()]
    assert (lost == lost[:, :1]).all()
    assert patterns.logits["local"].shape == (96, 3)


def test_a_higher_threshold_answers_more_samples_early_for_fewer_bytes(data, topology):
    patterns = loss_patterns(Joint(topology), data.part("validation"), prior_class=0)
    points = curve(patterns, {"local": 1.0, "cloud": 1.0})
    shares = [point.early_share for point in points]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert points[0].payload_bytes == 12 + 8
    assert points[-1].payload_bytes == 12


def test_samples_that_nobody_sees_get_the_commonest_class_in_calibration_too(data):
    """`absent: skip`: a black view has no part."""
    joint = Joint(make_topology(absent="skip"))
    dark = replace(data.part("validation"), views=np.zeros((24, 3, 3, 8, 8), np.uint8))
    for prior_class in range(3):
        points = curve(
            loss_patterns(joint, dark, prior_class=prior_class), {"local": 1.0, "cloud": 1.0}
        )
        right = (dark.fused_labels_N == prior_class).mean()
        assert [point.accuracy for point in points] == pytest.approx([right] * len(points))


def test_a_topology_with_one_exit_has_nothing_to_choose(data):
    joint = Joint(make_topology("a-cloud-only"))
    one = data.part("validation")
    views = type(one)(
        views=one.views_NVCHW[:, :1],
        labels_NV=one.fused_labels_N[:, None],
        classes=one.classes,
    )
    calibration = calibrate(joint, views, Goal(), prior_class=0)
    assert list(calibration.rules) == ["cloud"]
    assert calibration.rules["cloud"].threshold is None


def test_no_threshold_ties_with_a_sample():
    black = np.float32(0.62) + np.array([0, 6e-8, -6e-8], np.float32)
    entropies = np.concatenate([black, np.array([0.1, 0.1, 0.3, 0.9], np.float32)])
    assert between(entropies) == pytest.approx([0.05, 0.2, 0.46, 0.76, 0.95])
    many = np.random.default_rng(0).random(5000).astype(np.float32)
    thresholds = between(many)
    assert 190 < len(thresholds) <= 200
    assert np.abs(many[:, None] - thresholds).min() > 5e-6
