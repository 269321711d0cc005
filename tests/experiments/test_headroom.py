"""What `robust` gains as it ships, and what more could be had: what is trained and counted.

N samples, V views.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ddnn.data.loading import load
from ddnn.training.run import Run, train_run
from ddnn.training.settings import PRESETS, settings_for
from experiments.paper import headline, headroom
from experiments.paper.headroom import by_all_exits, by_rules, by_sight, in_rows, log_probabilities
from experiments.shared.study import SMOKE_CARD, run
from experiments.shared.variants import BATCHES, cameras, each_way, way_of

DATA = load(SMOKE_CARD)
TEST = DATA.part("test")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, settings = tmp_path_factory.mktemp("run"), settings_for("robust", epochs=1)
    return train_run(folder, cameras(DATA), SMOKE_CARD, settings, seed=0, data=DATA)


def test_the_headlines_robust_is_the_preset_that_ships():
    preset, changes = headline.SETTINGS["robust"]
    assert settings_for(preset, **changes) == PRESETS["robust"]


def test_each_step_of_the_headline_changes_more_of_the_paper_than_the_one_before():
    changed = [set(headline.SETTINGS[step][1]) for step in headline.STEPS]
    assert all(before < after for before, after in pairwise(changed))


def test_every_name_is_a_setting_by_the_papers_recipe_and_with_batches():
    settings = each_way(["1", "e-devices"])
    assert settings == ["1", "e-devices", "1, batches", "e-devices, batches"]
    assert [way_of(setting) for setting in settings] == [
        ("1", {}), ("e-devices", {}), ("1", BATCHES), ("e-devices", BATCHES),
    ]  # fmt: skip


def test_rows_are_means_over_sets_of_lost_devices_and_what_is_expected():
    right, wrong = np.ones(len(TEST), bool), np.zeros(len(TEST), bool)
    found = {(): right, ("a",): right, ("b",): wrong}  # of two devices
    rows = in_rows(DATA, "test", found)
    commonest = headroom.commonest(DATA.part("train"))
    nobody = float((TEST.fused_labels_N == commonest).mean())
    assert {row: value for row, value in rows.items() if row != "survival 0.9"} == {
        "0": 100.0, "1": 50.0,
    }  # fmt: skip
    assert rows["survival 0.9"] == pytest.approx(100 * (0.81 + 0.09 + 0.01 * nobody))


def test_sight_allows_what_is_seen_and_the_commonest_class_of_the_rest(trained):
    found = by_sight([trained], DATA, "test")
    names = trained.topology.devices
    for lost in ((), names[1:]):
        here = [view for view, name in enumerate(names) if name not in lost]
        seen_N = ~TEST.absent_NV[:, here].all(axis=1)
        assert (found[lost][seen_N]).all()
        unseen_N = TEST.fused_labels_N[~seen_N]
        assert found[lost][~seen_N].sum() == np.bincount(unseen_N, minlength=1).max()


def test_exits_answer_together_by_their_probabilities_and_networks_too(trained):
    devices = headroom.perceive(trained.joint, TEST)
    logits = headroom.fuse(trained.joint, devices, np.ones(TEST.labels_NV.shape, bool))
    wanted_NK = np.ones((len(TEST), 3))
    for name, logits_NK in logits.items():
        scaled_NK = np.exp(logits_NK.astype(float) / trained.rules[name].temperature)
        wanted_NK *= scaled_NK / scaled_NK.sum(axis=1, keepdims=True)
    assert np.exp(log_probabilities(trained, devices, TEST, ())) == pytest.approx(wanted_NK)
    one, twice = (by_all_exits([trained] * count, DATA, "test") for count in (1, 2))
    assert (one[()] == (wanted_NK.argmax(axis=1) == TEST.fused_labels_N)).all()
    assert all((one[lost] == twice[lost]).all() for lost in one)
    assert list(by_rules([trained], DATA, "test")) == list(one)


@pytest.mark.study
def test_no_way_passes_sight(tmp_path: Path):
    places = ["--smoke", "--out", str(tmp_path), "--runs", str(tmp_path / "runs"), "--threads", "1"]
    means = run(headroom.EXPERIMENT, places)
    assert list(means) == list(headroom.WAYS)
    for rows in means.values():
        for row, values in rows.items():
            for measure, found in values.items():
                assert found.value <= means[headroom.LIMIT][row][measure].value + 1e-9
