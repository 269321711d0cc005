"""What a method is given, what it is counted for, and what its figures are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from colours import MeanColour
from scipy.integrate import quad

from ddnn.comparison.method import Decoded
from ddnn.comparison.task import Task
from ddnn.comparison.trial import Trial, by_count, damaged, interval, sent, survival_N, trial
from ddnn.errors import ConfigError


def tried(task: Task, method, *, rate: float = 0.0, seed: int = 0) -> Trial:
    return trial(method, task, sent(method, task), rate=rate, seed=seed)


def test_every_set_of_lost_devices_is_tried_and_the_method_never_sees_them(task):
    method = MeanColour()
    found = tried(task, method)
    assert found.lost == ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
    for lost, present_NV in zip(found.lost, method.seen, strict=True):
        assert present_NV[:, [v not in lost for v in range(3)]].all()
        assert not present_NV[:, list(lost)].any()
    assert found.right_SN.all()


def test_bytes_are_those_of_the_devices_that_are_there(task):
    sizes = tried(task, MeanColour()).bytes_S
    assert sizes.tolist() == pytest.approx([3, 2, 2, 2, 1, 1, 1])


def test_a_second_round_costs_what_the_first_left_unsure(task):
    totals_N = task.test.views_NVCHW.mean(axis=(3, 4)).astype(np.uint8).sum(axis=1).max(axis=1)
    limit = float(np.median(totals_N))
    found = tried(task, MeanColour(rounds=2, sure_above=limit))
    assert found.bytes_S[0] == pytest.approx(3 + 3 * (totals_N <= limit).mean())


def test_where_nothing_can_be_read_the_commonest_class_answers(task):
    class Mute(MeanColour):
        def decode(self, device, number, messages):
            values, readable_N = super().decode(device, number, messages)
            return Decoded(values, np.zeros_like(readable_N))

    found = tried(task, Mute())
    wanted_N = task.test.fused_labels_N == task.commonest
    assert (found.right_SN == wanted_N).all()


def test_bits_flip_at_the_rate_and_alike_for_a_seed(task):
    messages = [bytes(100)] * 200
    first = damaged(messages, 0.01, 1, 0)
    assert first == damaged(messages, 0.01, 1, 0) != damaged(messages, 0.01, 2, 0)
    bits = np.unpackbits(np.frombuffer(b"".join(first), np.uint8))
    assert 0.008 < bits.mean() < 0.012
    assert damaged(messages, 0.0, 1, 0) == messages
    assert not tried(task, MeanColour(), rate=0.2).right_SN.all()


def test_a_method_that_sends_too_few_messages_is_refused(task):
    class Short(MeanColour):
        def encode(self, device, views_NCHW):
            return [super().encode(device, views_NCHW)[0][:-1]]

    with pytest.raises(ConfigError, match=r"encode gives \[23\] messages, want 24 in each of 1"):
        sent(Short(), task)


def test_the_area_is_the_integral_of_accuracy_over_survival(task):
    rng = np.random.default_rng(1)
    lost = tried(task, MeanColour()).lost
    right_SN = rng.random((len(lost), len(task.test))) < 0.6
    found = Trial(lost=lost, right_SN=right_SN, bytes_S=np.zeros(len(lost)))
    none_left = (task.test.fused_labels_N == task.commonest).mean()

    def accuracy(survival: float) -> float:
        chances = [survival ** (3 - len(x)) * (1 - survival) ** len(x) for x in lost]
        return float(np.dot(chances, right_SN.mean(axis=1))) + none_left * (1 - survival) ** 3

    assert survival_N(task, found).mean() == pytest.approx(quad(accuracy, 0, 1)[0])


def test_means_over_sets_of_a_size(task):
    found = tried(task, MeanColour())
    assert by_count(task, found, np.array([1, 2, 3, 4, 5, 6, 7.0])) == [1, 3, 6]


def test_an_interval_is_drawn_over_samples_and_holds_the_mean(task):
    values_N = (np.arange(24) % 4 > 0).astype(float)
    low, high = interval(task, values_N)
    assert 0.5 < low < 0.75 < high < 1


def test_an_interval_is_drawn_over_objects_where_they_are_known(task):
    """Eighteen views of one and six of another are two things."""
    objects_N = np.repeat([5, 7, 9], [72, 18, 6])
    known = Task(card="x", data=replace(task.data, objects_N=objects_N))
    of_first_N = np.repeat([1.0, 0.0], [18, 6])
    assert interval(known, of_first_N) == (0.0, 1.0)
    assert interval(known, np.full(24, 0.75)) == (0.75, 0.75)
