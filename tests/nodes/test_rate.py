"""A collector that asks for samples at a rate. N samples, V views."""

import math

import pytest
from builders import star_topology

from ddnn.nodes.rate import CATCH_UP_S, Rate
from ddnn.nodes.recorder import Recorder
from ddnn.wire.messages import Capture, Heartbeat, Roll, Verdict

STAR = star_topology()


def asking(rate_hz: float | None, samples: int = 8, window: int = 64) -> Recorder:
    """A collector whose nodes have all joined."""
    collector = Recorder(
        STAR,
        roll=Roll(1),
        samples=samples,
        prior_class=0,
        patience_s=60.0,
        window=window,
        rate_hz=rate_hz,
    )
    for name in STAR.nodes:
        collector.handle(name, Heartbeat(), 0.0)
    collector.lead(0.0)
    collector.lead(0.2)
    return collector


def asked(collector: Recorder, now_s: float) -> list[int]:
    """The samples that the first device is asked for now."""
    return [
        sample
        for peer, message in collector.tick(now_s)
        if isinstance(message, Capture) and peer == "cam0"
        for sample in message.samples_N
    ]


def test_each_sample_is_asked_for_when_it_is_due_though_others_are_in_flight():
    collector = asking(10.0)
    assert [asked(collector, now_s) for now_s in (0.0, 0.05, 0.11, 0.35)] == [[0], [], [1], [2, 3]]


def test_a_collector_is_due_when_the_next_sample_is():
    collector = asking(10.0)
    asked(collector, 0.0)
    assert collector.due_s(0.0) == pytest.approx(0.1)


def test_a_full_window_is_nothing_to_wake_up_for():
    collector = asking(10.0, samples=100, window=1)
    asked(collector, 0.0)
    assert asked(collector, 0.5) == []
    assert collector.due_s(0.5) > 0.5


def test_without_a_rate_the_next_samples_follow_an_answer():
    collector = asking(None, samples=2, window=1)
    assert asked(collector, 0.0) == [0]
    collector.handle("gateway", Verdict([0], [7], [1], [0.0], [True], [1.0]), 0.001)
    assert asked(collector, 0.001) == [1]


def test_a_rate_is_caught_up_with_for_a_second_and_no_longer():
    rate = Rate(10.0)
    assert rate.due(5.0) == 1
    rate.take(1)
    assert rate.due(5.1 + CATCH_UP_S - 0.05) == 10
    assert rate.due(5.1 + CATCH_UP_S + 0.05) == 1


def test_nothing_is_due_of_a_rate_that_has_not_begun():
    assert Rate(10.0).due_s == Rate(None).due_s == math.inf
