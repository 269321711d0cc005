"""Thresholds by resampling: what is drawn, what is kept of it, and what is counted.

N samples, P patterns of loss.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.training.patterns import Patterns
from ddnn.training.payload import DevicePayload
from experiments.paper import calibration
from experiments.paper.calibration import CAREFUL, FORMER, drawn, gains, part
from experiments.shared.study import run


def two_patterns() -> Patterns:
    """Three samples of class 0, all devices there and one lost. Logits of the local exit: sure and
    right, sure and wrong, unsure; the cloud is right but for the lost pattern's last sample."""
    sure, wrong, unsure = [9.0, 0.0], [0.0, 9.0], [0.0, 0.1]
    local = np.array([sure, wrong, unsure, sure, sure, sure], np.float32)
    cloud = np.array([sure, sure, sure, sure, sure, wrong], np.float32)
    samples = MultiView(
        views=np.ones((6, 2, 1, 2, 2), np.uint8),
        labels_NV=np.zeros((6, 2), np.int64),
        classes=("a", "b"),
    )
    present_NV = np.array([[True, True]] * 3 + [[True, False]] * 3)
    payload = DevicePayload(np.full(3, 8.0), np.full(3, 100.0))
    logits = {"local": local, "cloud": cloud}
    return Patterns(logits, samples, present_NV, 3, payload, 0)


def test_what_a_rule_gains_on_the_last_exit_is_counted_apart_where_devices_are_lost():
    rules = {"local": ExitRule(threshold=0.5), "cloud": ExitRule(threshold=None)}
    first = two_patterns()
    one, half = first.rows(slice(3, None)), first.rows(slice(4, None))
    assert gains([first, one, half], rules) == pytest.approx(
        {
            "gain_points": -100 / 3,  # the second sample leaves early and wrong
            "lost_points": 100 / 3,  # the last leaves early and right
            "half_points": 50.0,
            "early": 200 / 3,
            "early_lost": 100.0,
            "payload_bytes": 8 + 100 / 3,
        }
    )


def test_a_part_keeps_all_patterns_of_its_samples():
    found = part(two_patterns(), np.array([True, False, True]))
    assert found.whole == 2
    assert found.present_NV.tolist() == [[True, True]] * 2 + [[True, False]] * 2
    assert found.logits["local"][:, 1].tolist() == pytest.approx([0, 0.1, 0, 0])
    assert len(found.payload.scores_N) == 2


def test_whole_objects_are_drawn_until_there_are_enough():
    objects_N = np.repeat([3, 5, 8], [4, 4, 4])
    for seed in range(10):
        chosen_N = drawn(np.random.default_rng(seed), 12, 5, objects_N)
        assert chosen_N.reshape(3, 4).all(axis=1).sum() == 2
        assert chosen_N.sum() == 8
    assert drawn(np.random.default_rng(0), 12, 5, None).sum() == 5


@pytest.mark.study
def test_rows_are_by_rule_and_ten_samples_let_nothing_leave_early(tmp_path: Path):
    places = ["--smoke", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    means = run(calibration.EXPERIMENT, [*places, "--threads", "1"])
    assert list(means) == ["10"]
    found = means["10"]
    assert list(found) == [FORMER, CAREFUL]
    assert found[CAREFUL]["gain_points"].value == found[CAREFUL]["early"].value == 0
