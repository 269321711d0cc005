"""Accuracy of verdicts whose truth comes later."""

import pytest

from ddnn.errors import ConfigError
from ddnn.live.truth import KEPT, RECENT, Truth
from ddnn.report.verdicts import wilson_interval

CLASSES = ("car", "bus")


def test_truth_may_come_later_and_in_any_order():
    truth = Truth(CLASSES)
    for sample in range(4):
        truth.answered(sample, 0, None)
    assert truth.tell(3, "car")
    assert not truth.tell(0, 1)
    found = truth.event()["all"]
    assert found == {"samples": 2, "accuracy": 0.5, "interval": wilson_interval(1, 2)}


@pytest.mark.parametrize("sample", [9, 0], ids=["never answered", "told already"])
def test_what_waits_for_no_truth_is_refused(sample):
    truth = Truth(CLASSES)
    truth.answered(0, 0, None)
    truth.tell(0, "car")
    with pytest.raises(ConfigError, match="waits for no truth"):
        truth.tell(sample, "car")


@pytest.mark.parametrize("named", ["tram", 2, -1, True, 1.0, None])
def test_a_class_that_there_is_not_is_refused(named):
    truth = Truth(CLASSES)
    truth.answered(0, 0, None)
    with pytest.raises(ConfigError, match="want one of car, bus"):
        truth.tell(0, named)


def test_before_and_since_the_latest_failure():
    truth = Truth(CLASSES)
    for sample in range(10):
        truth.answered(sample, 0, 0)
    truth.failed(10)
    for sample in (10, 11, 9):
        truth.answered(sample, 0, 1)
    event = truth.event()
    assert (event["before"]["samples"], event["before"]["accuracy"]) == (10, 1.0)
    assert (event["since"]["samples"], event["since"]["accuracy"]) == (2, 0.0)
    assert event["all"]["samples"] == 13


def test_memory_is_bounded():
    truth = Truth(CLASSES)
    for sample in range(KEPT + 1):
        truth.answered(sample, 0, None)
    with pytest.raises(ConfigError):
        truth.tell(0, "car")
    assert truth.tell(1, "car")
    for sample in range(RECENT + 5):
        truth.answered(sample, 0, sample >= 5)
    assert truth.event()["recent"]["samples"] == RECENT
