"""Defaults over unlike sets: how ranks are counted, what each setting changes, rows by a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddnn.data.loading import load
from ddnn.model.cost import section_bits
from experiments.defaults import defaults
from experiments.defaults.defaults import SETTINGS, SMOKE_SETS, mean_ranks, network
from experiments.shared.rows import ASKED, RowFile, read_csv, read_rows
from experiments.shared.script import OF_RECORD
from experiments.tables import README

CHOSEN_START, CHOSEN = "<!-- chosen -->\n", "defaults/chosen.csv"
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
    found = {name: network(data, setting) for name, setting in SETTINGS.items()}
    sizes = {name: topology.feature_bytes("cam0") for name, topology in found.items()}
    bits = {name: section_bits(topology, "cam0") for name, topology in found.items()}
    for name in SETTINGS:
        assert sizes[name] == (4 if "16 filters" in name else 1) * sizes["views as they are"]
    assert bits["16 filters"] == bits["16 filters, 32 bits above"] < bits["16 filters, 32 bits"]
    above = {name: section_bits(topology, "cloud") for name, topology in found.items()}
    assert above["16 filters, 32 bits above"] > 10 * above["16 filters"]


@pytest.mark.study
def test_rows_hold_accuracies_and_what_they_were_measured_on(tmp_path: Path):
    out, runs = str(tmp_path / "out"), str(tmp_path / "runs")
    rows = defaults.main(["--smoke", "--out", out, "--runs", runs])
    found = read_rows(rows).values()
    (name,) = SMOKE_SETS
    for setting in list(SETTINGS)[:2]:
        (whole,), (half,) = (found[setting, name][measure] for measure in ("whole", "half_lost"))
        assert 0 <= whole <= 100
        assert 0 <= half <= 100
    made = {line["setting"]: line["settings"] for line in read_csv(rows)}
    assert "augment=scene" in made["augmented and mixed"]
    assert "augment=none" in made["views as they are"]
    lines = defaults.markdown(rows).splitlines()[2:]
    assert sum(float(line.split(" | ")[-2]) for line in lines) == pytest.approx(sum(range(1, 6)))


def test_the_table_has_a_line_a_setting_and_means_over_seeds(tmp_path: Path):
    record = dict.fromkeys(ASKED, "") | {"test_samples": "0"}
    table = RowFile(tmp_path / "rows.csv", ["a", "b", "c"], record)
    for seed, right in enumerate((80.0, 90.0)):
        row = {"whole": right, "whole_samples": 50, "half_lost": right - 20}
        table.add("a", seed, {"digits": row, "cars": row})
    table.add("b", 0, {"digits": {"whole": 10.0, "whole_samples": 50}})
    table.add("c", 0, {x: {"whole": 99.0, "whole_samples": 50} for x in ("digits", "cars")})
    assert defaults.markdown(table.path).splitlines() == [
        "|  | digits (n = 50) | cars (n = 50) | seeds | mean rank, whole | mean rank, half lost |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | 85.0 / 65.0 | 85.0 / 65.0 | 2 | 2.0 | 1.0 |",
        "| b | 10.0 |  | 1 |  |  |",
        "| c | 99.0 | 99.0 | 1 | 1.0 |  |",
    ]
    assert table.has_row("a", "cars", 1)
    assert not table.has_row("b", "cars", 0)


def test_what_was_chosen_has_a_line_a_set_with_bytes_and_memory(tmp_path: Path):
    record = dict.fromkeys(ASKED, "") | {"test_samples": "0"}
    names = list(SETTINGS)[:2]
    table = RowFile(tmp_path / "rows.csv", names, record)
    row = {"whole": 80.0, "half_lost": 70.0, "whole_samples": 50, "payload_bytes": 42.4}
    for name, bits in zip(names, (3244, 80_000), strict=True):
        table.add(name, 0, {"digits": row | {"device_bits": bits}})
    table.add("linear", 0, {"digits": {"whole": 90.0, "whole_samples": 50}})
    assert defaults.chosen_markdown(table.path).splitlines()[2:] == [
        "| digits (n = 50) | 80.0 / 70.0 | 42 | 406 | 80.0 / 70.0 | 42 | 10,000 |"
    ]


def test_the_table_on_the_page_is_that_of_the_rows_of_record():
    page = README.read_text(encoding="utf-8")
    start = page.index(START) + len(START)
    assert page[start : page.index("<!-- end", start)] == defaults.markdown(OF_RECORD / ROWS)
    start = page.index(CHOSEN_START) + len(CHOSEN_START)
    wanted = defaults.chosen_markdown(OF_RECORD / CHOSEN)
    assert page[start : page.index("<!-- end", start)] == wanted
