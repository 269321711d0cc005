"""What the experiments share: rows that grow, intervals, expected accuracy."""

import math

import pytest

from ddnn.errors import ConfigError
from ddnn.training.failures import SubsetAccuracy
from experiments.paper.failures import as_list, expected
from experiments.shared.rows import RowFile, interval, read_csv, read_means, write_means
from experiments.shared.study import changes_of

RECORD = {"digest": "abc", "test_samples": "100"}


def test_an_interrupted_study_goes_on_and_its_file_is_the_same(tmp_path):
    rows = {"r": {"overall": 90.0, "payload_bytes": 12.5}}
    whole = RowFile(tmp_path / "whole.csv", ["a", "b"], RECORD)
    for seed in (0, 1):
        for setting in ("a", "b"):
            whole.add(setting, seed, rows)
    for setting, seed in (("b", 1), ("a", 0), ("b", 0), ("a", 1)):
        part = RowFile(tmp_path / "parts.csv", ["a", "b"], RECORD)
        assert not part.has(setting, seed)
        part.add(setting, seed, rows)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert RowFile(tmp_path / "parts.csv", ["a", "b"], RECORD).has("b", 1)


def test_rows_of_other_data_are_not_mixed_in(tmp_path):
    path = tmp_path / "rows.csv"
    RowFile(path, ["a"], RECORD).add("a", 0, {"r": {"overall": 1.0}})
    with pytest.raises(ConfigError, match=r"rows\.csv: digest is 'abc', this call's is 'xyz'"):
        RowFile(path, ["a"], RECORD | {"digest": "xyz"})


def test_rows_of_other_versions_are_kept_beside_new_ones_until_all_are_to_be_fresh(tmp_path):
    path = tmp_path / "rows.csv"
    rows = {"r": {"overall": 1.0}}
    RowFile(path, ["a"], RECORD | {"versions": "torch=1"}).add("a", 0, rows)
    newer = RECORD | {"versions": "torch=2"}
    RowFile(path, ["a"], newer).add("a", 1, rows)
    assert [line["versions"] for line in read_csv(path)] == ["torch=1", "torch=2"]
    fresh = RowFile(path, ["a"], newer, is_fresh=True)
    assert (fresh.has("a", 0), len(read_csv(path))) == (False, 2)
    fresh.add("a", 0, rows)
    assert [line["versions"] for line in read_csv(path)] == ["torch=2"]


def test_means_have_intervals_and_published_values_beside_them(tmp_path):
    table = RowFile(tmp_path / "rows.csv", ["a"], RECORD)
    for seed, value in enumerate((97.0, 98.0, 99.0)):
        table.add("a", seed, {"r": {"overall": value}})
    write_means(tmp_path / "means.csv", table, {("a", "r"): {"overall": 96}})
    found = read_means(tmp_path / "means.csv")["a"]["r"]["overall"]
    assert (found.value, found.published) == (98.0, 96.0)
    assert found.low == pytest.approx(98 - 4.303 / math.sqrt(3), abs=1e-3)
    assert found.high == 100  # a share ends there


def test_few_seeds_have_the_interval_of_the_samples():
    found = interval([90.0], 0, 100, samples=100)
    ends = round(found.low, 1), round(found.high, 1)
    assert (*ends, found.of) == (82.6, 94.5, "samples")  # Wilson
    assert interval([89.0, 91.0], 0, 100, samples=100) == found
    assert interval([5.0], 0, math.inf, samples=100) == (None, None, "")
    assert interval([4.0, 5.0, 6.0], -math.inf, math.inf, samples=100).of == "seeds"


@pytest.mark.parametrize("of", ["samples", "overall_samples"])
def test_a_share_of_fewer_samples_has_their_interval(of, tmp_path):
    table = RowFile(tmp_path / "rows.csv", ["a"], RECORD | {"test_samples": "10000"})
    table.add("a", 0, {"r": {"overall": 90.0, of: 100}, "all": {"overall": 90.0}})
    write_means(tmp_path / "means.csv", table, {})
    few, many = (read_means(tmp_path / "means.csv")["a"][row]["overall"] for row in ("r", "all"))
    assert (round(few.low, 1), round(few.high, 1)) == (82.6, 94.5)
    assert many.low > 89


def test_a_measure_may_bring_its_own_interval(tmp_path):
    table = RowFile(tmp_path / "rows.csv", ["a"], RECORD)
    table.add("a", 0, {"r": {"loss_points": 0.8, "loss_points_error": 0.5}})
    write_means(tmp_path / "means.csv", table, {})
    measures = read_means(tmp_path / "means.csv")["a"]["r"]
    assert list(measures) == ["loss_points"]
    found = measures["loss_points"]
    assert (found.low, found.high) == (pytest.approx(0.3), pytest.approx(1.3))


SUBSETS = [
    SubsetAccuracy(lost=lost, accuracy={"overall": accuracy}, local_share=0.0)
    for lost, accuracy in (((), 0.9), (("cam0",), 0.8), (("cam1",), 0.6))
]


@pytest.mark.parametrize(
    ("survival_V", "wanted"),
    [
        ([1, 1], 90),
        ([0, 0], 50),
        ([0, 1], 80),
        ([0.9, 0.5], 0.45 * 90 + 0.05 * 80 + 0.45 * 60 + 0.05 * 50),
    ],
)
def test_expected_accuracy_sums_over_all_subsets(survival_V, wanted):
    assert expected(SUBSETS, survival_V, without=50) == pytest.approx(wanted)


@pytest.mark.parametrize("text", ["", "2", ".9,.9", "x", ".9,.9,.9,nan"])
def test_a_wrong_survival_is_named(text):
    with pytest.raises(ConfigError, match="--survival: got"):
        as_list(text, 3)


def test_a_wrong_change_of_settings_is_named():
    with pytest.raises(ConfigError, match="--set: got 'epochs', want KEY=VALUE"):
        changes_of(["epochs"])
    changes = changes_of(["epochs=3", "learning_rate=1e-3", "schedule=cosine"])
    assert changes == {"epochs": 3, "learning_rate": 0.001, "schedule": "cosine"}
