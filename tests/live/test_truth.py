"""Accuracy of verdicts whose truth comes later."""

import pytest

from ddnn.errors import ConfigError
from ddnn.live.truth import KEPT, RECENT, Truth
from ddnn.report.tally import Tally
from ddnn.report.verdicts import NO_EXIT, Answer, wilson_interval

CLASSES = ("car", "bus")


def answered(truth: Truth, sample: int, predicted: int, label: int | None) -> None:
    truth.answered(Answer(sample, 0, predicted, 0.5, 3, False, 0.1), label, Tally(["a"], CLASSES))


def test_truth_may_come_later_and_in_any_order():
    truth = Truth(CLASSES)
    for sample in range(4):
        answered(truth, sample, 0, None)
    assert truth.tell(3, "car")
    assert not truth.tell(0, 1)
    found = truth.event()["all"]
    assert found == {"samples": 2, "accuracy": 0.5, "interval": wilson_interval(1, 2)}


@pytest.mark.parametrize("sample", [9, 0], ids=["never answered", "told already"])
def test_what_waits_for_no_truth_is_refused(sample):
    truth = Truth(CLASSES)
    answered(truth, 0, 0, None)
    truth.tell(0, "car")
    with pytest.raises(ConfigError, match="waits for no truth"):
        truth.tell(sample, "car")


@pytest.mark.parametrize("named", ["tram", 2, -1, True, 1.0, None])
def test_a_class_that_there_is_not_is_refused(named):
    truth = Truth(CLASSES)
    answered(truth, 0, 0, None)
    with pytest.raises(ConfigError, match="want one of car, bus"):
        truth.tell(0, named)


def test_before_and_since_the_latest_failure():
    truth = Truth(CLASSES)
    for sample in range(10):
        answered(truth, sample, 0, 0)
    truth.failed(10)
    for sample in (10, 11, 9):
        answered(truth, sample, 0, 1)
    event = truth.event()
    assert (event["before"]["samples"], event["before"]["accuracy"]) == (10, 1.0)
    assert (event["since"]["samples"], event["since"]["accuracy"]) == (2, 0.0)
    assert event["all"]["samples"] == 13


def test_memory_is_bounded():
    truth = Truth(CLASSES)
    for sample in range(KEPT + 1):
        answered(truth, sample, 0, None)
    with pytest.raises(ConfigError):
        truth.tell(0, "car")
    assert truth.tell(1, "car")
    for sample in range(RECENT + 5):
        answered(truth, sample, 0, sample >= 5)
    assert truth.event()["recent"]["samples"] == RECENT


def test_a_report_counts_what_is_told_later_and_nothing_else():
    """By exit and by class."""
    truth, tally = Truth(CLASSES), Tally(["local", "cloud"], CLASSES)
    for sample, exit_number in enumerate([0, 0, 0, 1, NO_EXIT]):
        answer = Answer(sample, exit_number, 0, 0.5, 3, False, 0.1)
        tally.add(answer, None)
        truth.answered(answer, None, tally)
    for sample, named in ((0, "car"), (1, "bus"), (4, "car")):
        truth.tell(sample, named)
    found = tally.summary()
    assert found["samples"] == 5
    assert found["accuracy"] == 2 / 3
    assert found["accuracy_interval"] == wilson_interval(2, 3)
    assert found["exits"]["local"] == {"samples": 3, "share": 0.6, "accuracy": 0.5}
    assert found["exits"]["cloud"] == {"samples": 1, "share": 0.2, "accuracy": None}
    assert found["classes"] == {
        "car": {"samples": 2, "correct": 2}, "bus": {"samples": 1, "correct": 0}
    }  # fmt: skip
