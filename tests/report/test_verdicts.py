"""N samples, V views."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.report.verdicts import (
    UNANSWERED,
    Answer,
    Verdicts,
    columns,
    ratio,
    summarize,
    verdict_rows,
    wilson_interval,
    write_verdicts,
)

LABELS = [0, 0, 1, 1]


def verdicts(predicted: list[int], exits: list[int], labels: list[int] = LABELS) -> Verdicts:
    count = len(predicted)
    return Verdicts(
        exits=("local", "cloud"),
        classes=("car", "bus"),
        labels_N=np.array(labels[:count], dtype=np.int64),
        predicted_N=np.array(predicted, dtype=np.int64),
        exit_N=np.array(exits, dtype=np.int64),
        entropy_N=np.linspace(0, 1, count, dtype=np.float32),
        present_NV=np.tile([True, False], (count, 1)),
        degraded_N=np.array(exits) == -1,
    )


def test_shares_and_accuracies_follow_from_the_verdicts():
    found = summarize(verdicts([0, 1, 1, UNANSWERED], [0, 0, 1, -1]))
    assert (found["samples"], found["answered"], found["degraded"]) == (4, 3, 1)
    assert found["accuracy"] == 0.5
    assert found["exits"] == {
        "local": {"samples": 2, "share": 0.5, "accuracy": 0.5},
        "cloud": {"samples": 1, "share": 0.25, "accuracy": 1.0},
    }
    assert found["classes"] == {
        "car": {"samples": 2, "correct": 1},
        "bus": {"samples": 2, "correct": 1},
    }


def test_an_exit_that_never_answered_has_no_accuracy():
    assert summarize(verdicts([0], [0]))["exits"]["cloud"]["accuracy"] is None


def test_no_samples_have_no_accuracy():
    found = summarize(verdicts([], []))
    assert (found["accuracy"], found["accuracy_interval"], found["samples"]) == (None, None, 0)
    assert ratio(0, 0) is None


@given(total=st.integers(1, 10_000), share=st.floats(0, 1))
def test_the_interval_holds_the_proportion_and_stays_within_0_and_1(total, share):
    correct = round(total * share)
    low, high = wilson_interval(correct, total) or (1, 0)
    assert 0 <= low <= correct / total + 1e-12
    assert correct / total - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("correct", "total", "wanted"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (81, 263, (0.2553, 0.3662))],
)
def test_the_interval_is_wilsons(correct, total, wanted):
    """Last case: Newcombe 1998, table I, method 3."""
    assert wilson_interval(correct, total) == pytest.approx(wanted, abs=5e-5)


def test_verdicts_are_written_one_line_a_sample(tmp_path: Path):
    write_verdicts(tmp_path / "deep" / "verdicts.csv", verdicts([0, UNANSWERED], [1, -1]))
    with (tmp_path / "deep" / "verdicts.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(columns(()))
    assert rows[1:] == [
        ["0", "car", "car", "cloud", "0.000000", "10", "0"],
        ["1", "car", "", "", "1.000000", "10", "1"],
    ]


def test_an_answer_names_the_nodes_that_features_went_past():
    rows = verdict_rows(("cloud",), ("car",), views=2, bypassable=("edge0", "edge1"))
    answers = [Answer(0, 0, 0, 0.5, views, True, 0.1) for views in (0b0011, 0b0111, 0b1111)]
    assert [rows(answer, 0)[5:] for answer in answers] == [
        ("11", 1, ""), ("11", 1, "edge0"), ("11", 1, "edge0+edge1"),
    ]  # fmt: skip


def test_verdicts_keep_what_features_went_past():
    past = replace(verdicts([0, 1], [1, 1]), bypassable=("edge0",), past_N=(0, 1))
    assert [answer.views for answer in past.answers()] == [0b001, 0b101]


def test_only_where_something_can_be_passed_by_is_there_a_column_for_it(tmp_path: Path):
    past = replace(verdicts([0, 1], [1, 1]), bypassable=("edge0",), past_N=(0, 1))
    write_verdicts(tmp_path / "verdicts.csv", past)
    lines = (tmp_path / "verdicts.csv").read_text().splitlines()
    assert [line.split(",")[6:] for line in lines] == [
        ["degraded", "past"],
        ["0", ""],
        ["0", "edge0"],
    ]
    assert columns(()) == columns(("edge0",))[:-1]
