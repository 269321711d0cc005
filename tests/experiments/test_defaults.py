"""Defaults over unlike sets: how ranks are counted, what each setting changes, rows by a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddnn.data.loading import load
from experiments.defaults import defaults
from experiments.defaults.defaults import SETTINGS, SMOKE_SETS, mean_ranks, network
from experiments.shared.rows import read_means


def test_ranks_are_means_over_sets_and_ties_share():
    found = mean_ranks({"a": [90, 50, 70], "b": [80, 60, 70], "c": [70, 40, 90]})
    assert found == {
        "a": pytest.approx((1 + 2 + 2.5) / 3),
        "b": pytest.approx((2 + 1 + 2.5) / 3),
        "c": pytest.approx((3 + 3 + 1) / 3),
    }


def test_a_setting_changes_its_devices_and_nothing_that_is_sent_but_how_much():
    data = load(next(iter(SMOKE_SETS.values())))
    sizes = {
        name: network(data, setting).feature_bytes("cam0") for name, setting in SETTINGS.items()
    }
    assert sizes["default"] == sizes["views as they are"] == sizes["a third of the rate"]
    assert sizes["16 filters"] == sizes["16 filters, 32 bits"] == 4 * sizes["default"]


@pytest.mark.study
def test_rows_hold_validation_accuracies_and_ranks(tmp_path: Path):
    out, runs = str(tmp_path / "out"), str(tmp_path / "runs")
    means = read_means(defaults.main(["--smoke", "--out", out, "--runs", runs]))
    tried = list(SETTINGS)[:2]
    for setting in tried:
        (of_set,) = (row for name, row in means[setting].items() if name in SMOKE_SETS)
        assert of_set["whole"].high <= 100
        assert of_set["half_lost"].value <= 100
    ranks = [means[name]["mean rank, half_lost"]["rank"].value for name in tried]
    assert sum(ranks) == pytest.approx(3)
    ranks = [rows["mean rank, whole"]["rank"].value for rows in means.values()]
    assert sum(ranks) == pytest.approx(sum(range(1, 6)))
