"""Early exits on few validation samples: what they cost against the last exit, as a mean.

N samples, V views, K classes.
"""

from __future__ import annotations

import numpy as np
import pytest
from tiny import make_samples, make_topology

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.model.joint import Joint
from ddnn.training.calibrate import (
    EARLY_AT_MOST,
    SLACK,
    Calibration,
    Goal,
    calibrate,
    calibrate_patterns,
    careful,
    choose,
    curve,
    rules_for,
    too_few,
)
from ddnn.training.patterns import SETS, Patterns, lost_masks
from ddnn.training.payload import DevicePayload

EVEN = {"local": 1.0, "cloud": 1.0}


def patterns_of(local_NK: np.ndarray, cloud_NK: np.ndarray, labels_N: np.ndarray) -> Patterns:
    """All devices present; views do not matter."""
    count = len(labels_N)
    samples = MultiView(
        views=np.ones((count, 1, 1, 2, 2), np.uint8),
        labels_NV=labels_N[:, None],
        classes=("a", "b", "c"),
    )
    return Patterns(
        logits={"local": local_NK.astype(np.float32), "cloud": cloud_NK.astype(np.float32)},
        samples=samples,
        present_NV=np.ones((count, 1), dtype=bool),
        whole=count,
        payload=DevicePayload(np.zeros(count), np.ones(count)),
        prior_class=0,
    )


def logits(predicted_N: np.ndarray, sureness_N: np.ndarray) -> np.ndarray:
    return np.eye(3)[predicted_N] * sureness_N[:, None]


def ladder(count: int, wrong: tuple[int, ...] = ()) -> Patterns:
    """The cloud is always right; the local exit is surer of each sample than of the one before,
    and wrong at these places."""
    labels_N = np.arange(count) % 3
    local_N = np.where(np.isin(np.arange(count), wrong), (labels_N + 1) % 3, labels_N)
    sure_N = np.linspace(1, 6, count)
    return patterns_of(logits(local_N, sure_N), logits(labels_N, sure_N), labels_N)


def early(patterns: Patterns, threshold: float) -> int:
    verdicts = patterns.answer(rules_for(patterns.logits, EVEN, threshold))
    return int((verdicts.exit_N == 0).sum())


@pytest.mark.parametrize(
    ("count", "share"), [(99, 0.0), (100, EARLY_AT_MOST), (200, EARLY_AT_MOST)]
)
def test_with_too_few_samples_to_tell_half_a_point_everything_goes_on(count, share):
    patterns = ladder(count)
    found = early(patterns, careful(patterns, EVEN))
    assert found == pytest.approx(share * count, abs=1.5)


def test_a_loss_that_is_seen_ends_it_and_what_is_surer_still_leaves_early():
    patterns = ladder(150, wrong=(40,))
    assert early(patterns, careful(patterns, EVEN)) == 109  # all that are surer than sample 40


def test_a_loss_among_the_surest_lets_nothing_leave():
    patterns = ladder(150, wrong=(149,))
    assert early(patterns, careful(patterns, EVEN)) == 0


def test_many_samples_may_show_a_few_losses():
    patterns = ladder(3000, wrong=(2500,))
    assert early(patterns, careful(patterns, EVEN)) > 2700


def test_that_too_few_samples_keep_all_from_leaving_early_is_said():
    (line,) = too_few(99, exits=2)
    assert line.startswith("only 99 validation samples, want 100")
    assert too_few(100, exits=2) == too_few(99, exits=1) == []


def weak_and_strong(rng: np.random.Generator, count: int) -> Patterns:
    """The local exit is right for two thirds, the surer the more often; the cloud for more."""
    labels_N = rng.integers(0, 3, count)
    sure_N = rng.uniform(0.2, 6, count)
    local_right_N = rng.random(count) < 0.4 + 0.6 * sure_N / 6
    local_N = np.where(local_right_N, labels_N, (labels_N + 1) % 3)
    cloud_N = np.where(rng.random(count) < 0.97, labels_N, (labels_N + 1) % 3)
    return patterns_of(logits(local_N, sure_N), logits(cloud_N, np.full(count, 3.0)), labels_N)


def costs(threshold_of, samples: int) -> float:
    """The mean over 150 draws of what early exits gain on new samples."""
    rng, new = np.random.default_rng(0), weak_and_strong(np.random.default_rng(1), 4000)
    cloud = float((new.logits["cloud"].argmax(axis=1) == new.samples.fused_labels_N).mean())
    found = []
    for _ in range(150):
        rules = rules_for(new.logits, EVEN, threshold_of(weak_and_strong(rng, samples)))
        found.append(float(new.answer(rules).correct_N.mean()) - cloud)
    return float(np.mean(found))


@pytest.mark.parametrize("samples", [60, 100, 200])
def test_early_exits_cost_less_than_half_a_point_as_a_mean(samples):
    assert costs(lambda patterns: careful(patterns, EVEN), samples) >= -SLACK


def test_the_best_threshold_of_few_samples_costs_more():
    assert costs(lambda patterns: choose(curve(patterns, EVEN), Goal()).threshold, 100) < -SLACK


def test_thresholds_for_lost_devices_are_chosen_as_carefully():
    patterns = weak_and_strong(np.random.default_rng(0), 150)
    rule = calibrate_patterns(patterns, Goal(), lost=[patterns, patterns]).rules["local"]
    assert rule.threshold_lost == (rule.threshold, rule.threshold)


def test_rules_know_who_is_lost():
    lost_N = np.array([0, 1, 2, 3])
    for rule, wanted in (
        (ExitRule(threshold=0.2), [0.2, 0.2, 0.2, 0.2]),
        (ExitRule(threshold=0.2, threshold_lost=(0.7, 0.4)), [0.2, 0.7, 0.4, 0.4]),
        (ExitRule.model_validate({"threshold": 0.2, "threshold_lost": 0.7}), [0.2, 0.7, 0.7, 0.7]),
        (ExitRule.model_validate({"threshold": 0.2, "threshold_lost": None}), [0.2] * 4),
    ):
        assert rule.thresholds(lost_N).tolist() == pytest.approx(wanted)
        assert [rule.threshold_for(lost) for lost in lost_N] == wanted
        assert rule.always(0.4) == ExitRule(threshold=0.4)
    always = ExitRule(threshold=None, threshold_lost=(0.7,))
    assert always.thresholds(lost_N) is None
    assert always.threshold_for(1) is None


def test_a_bundle_keeps_the_thresholds_of_every_number_of_losses():
    rule = ExitRule(threshold=0.2, threshold_lost=(0.7, 0.4))
    assert ExitRule.model_validate(rule.model_dump(mode="json")) == rule


def test_sets_of_lost_devices_are_all_or_spread_evenly():
    assert [len(lost_masks(6, lost)) for lost in range(1, 6)] == [6, SETS, SETS, SETS, 6]
    for lost in range(1, 12):
        masks = np.array(lost_masks(12, lost))
        assert ((~masks).sum(axis=1) == lost).all()
        assert len(np.unique(masks, axis=0)) == len(masks)
    for lost in range(2, 5):
        times_V = (~np.array(lost_masks(6, lost))).sum(axis=0)
        assert times_V.min() > 0  # each is lost, and is there
        assert times_V.max() < SETS


def test_a_calibration_has_a_threshold_for_losses_where_they_are_known():
    samples = make_samples(96)
    found = calibrate(Joint(make_topology()), samples, Goal(), prior_class=0)
    local, cloud = found.rules["local"], found.rules["cloud"]
    assert local.threshold == found.point.threshold
    assert len(local.threshold_lost) == samples.labels_NV.shape[1] - 1
    assert (cloud.threshold, cloud.threshold_lost) == (None, ())
    silent = calibrate(Joint(make_topology(absent="skip")), samples, Goal(), prior_class=0)
    assert silent.rules["local"].threshold_lost == ()


def test_a_goal_of_ones_own_is_one_threshold_for_all():
    found: Calibration = calibrate(
        Joint(make_topology()), make_samples(96), Goal(early_share=0.5), prior_class=0
    )
    assert found.rules["local"].threshold_lost == ()


def test_where_devices_are_lost_the_threshold_is_chosen_on_samples_without_them():
    """With all devices the local exit is wrong where it is surest, with one lost it is right."""
    labels_N, sure_N = np.arange(240) % 3, np.linspace(1, 6, 120)
    surest_wrong = np.where(np.arange(120) == 119, (labels_N[:120] + 1) % 3, labels_N[:120])
    local = np.concatenate([logits(surest_wrong, sure_N), logits(labels_N[120:], sure_N)])
    cloud = logits(labels_N, np.tile(sure_N, 2))
    payload = DevicePayload(np.zeros(120), np.ones(120))
    patterns = patterns_of(local, cloud, labels_N)._replace(whole=120, payload=payload)
    lost = patterns.rows(slice(120, None))
    rule = calibrate_patterns(patterns, Goal(), lost=[lost]).rules["local"]
    assert rule.threshold < rule.threshold_lost[0]
    alike = calibrate_patterns(patterns, Goal()).rules["local"]
    assert (alike.threshold, alike.threshold_lost) == (rule.threshold, ())


def test_each_number_of_losses_has_the_threshold_of_its_own_samples():
    """With one device lost the local exit is right and the cloud wrong, with two lost the other
    way round."""
    labels_N = np.arange(120) % 3
    sure_N = np.linspace(1, 6, 120)
    right, wrong = (logits(predicted_N, sure_N) for predicted_N in (labels_N, (labels_N + 1) % 3))
    whole = patterns_of(right, right, labels_N)
    lost = [patterns_of(right, wrong, labels_N), patterns_of(wrong, right, labels_N)]
    one, two = calibrate_patterns(whole, Goal(), lost=lost).rules["local"].threshold_lost
    assert early(lost[0], one) > 60
    assert early(lost[1], two) == 0
