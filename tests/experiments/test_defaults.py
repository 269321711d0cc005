"""Defaults over unlike sets: how ranks are counted, what each setting changes, rows by a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddnn.data.loading import load
from experiments.defaults import defaults
from experiments.defaults.defaults import SETTINGS, SMOKE_SETS, mean_ranks, network
from experiments.shared.rows import ASKED, RowFile, read_rows
from experiments.shared.script import OF_RECORD
from experiments.tables import README

START, ROWS = "<!-- defaults -->\n", "defaults/defaults.csv"


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
    found = read_rows(defaults.main(["--smoke", "--out", out, "--runs", runs])).values()
    tried = list(SETTINGS)[:2]
    (name,) = SMOKE_SETS
    for setting in tried:
        (whole,), (half,) = (found[setting, name][measure] for measure in ("whole", "half_lost"))
        assert 0 <= whole <= 100
        assert 0 <= half <= 100
    ranks = [found[setting, "mean rank, half_lost"]["rank"][0] for setting in tried]
    assert sum(ranks) == pytest.approx(3)
    ranks = [row["rank"][0] for (_, of), row in found.items() if of == "mean rank, whole"]
    assert sum(ranks) == pytest.approx(sum(range(1, 6)))


def test_the_table_has_a_line_a_setting_and_means_over_seeds(tmp_path: Path):
    record = dict.fromkeys(ASKED, "") | {"test_samples": "0"}
    table = RowFile(tmp_path / "rows.csv", ["a", "b"], record)
    for seed, right in enumerate((80.0, 90.0)):
        row = {"whole": right, "whole_samples": 50, "half_lost": right - 20}
        table.add("a", seed, {"digits": row, "mean rank, whole": {"rank": 1.5}})
    table.add("b", 0, {"digits": {"whole": 10.0, "whole_samples": 50}})
    assert defaults.markdown(table.path).splitlines() == [
        "|  | digits (n = 50) | mean rank, whole |",
        "| --- | --- | --- |",
        "| a | 85.0 / 65.0 | 1.5 |",
        "| b | 10.0 |  |",
    ]


def test_the_table_on_the_page_is_that_of_the_rows_of_record():
    page = README.read_text(encoding="utf-8")
    start = page.index(START) + len(START)
    assert page[start : page.index("<!-- end", start)] == defaults.markdown(OF_RECORD / ROWS)
