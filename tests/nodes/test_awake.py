"""Time that a process did not run in."""

import pytest
from builders import star_topology

from ddnn.nodes.awake import Awake, most_of
from ddnn.nodes.collector import Collector
from ddnn.nodes.liveness import Liveness
from ddnn.wire.messages import Heartbeat, Roll, Verdict


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("waited_s", "took_s", "counts_s"),
    [(0.1, 0.1, 0.1), (0.0, 0.15, 0.15), (0.1, 0.2, 0.2), (0.1, 5.0, 0.25), (0.0, 0.5, 0.15)],
    ids=["as meant", "work", "wait and work", "stood still waiting", "stood still working"],
)
def test_a_turn_counts_as_what_it_meant_to_wait_and_a_little_work(waited_s, took_s, counts_s):
    clock = Clock()
    awake = Awake(0.15, clock)
    clock.now_s += took_s
    assert awake.look(waited_s) == pytest.approx(took_s - counts_s)
    assert awake.now_s == pytest.approx(100 + counts_s)


@pytest.mark.parametrize("stood_still_s", [0.12, 0.2, 0.5, 30.0])
def test_a_machine_that_stands_still_leaves_its_nodes_a_turn_before_they_are_given_up(
    stood_still_s,
):
    """Heartbeats of 100 ms are at most 150 ms old when it stops; then each needs a turn."""
    patience_s, clock = 0.3, Clock()
    awake = Awake(most_of(patience_s), clock)
    liveness = Liveness(("a", "b"), patience_s)
    for name in ("a", "b"):
        liveness.hear(name, awake.now_s)
    clock.now_s += 0.15
    awake.look(0.15)
    clock.now_s += stood_still_s
    awake.look(0.0)
    assert liveness.alive(awake.now_s + 0.025) == 0b11


def test_nobody_was_silent_while_the_watching_node_stood_still():
    liveness = Liveness(("a", "b"), 0.3)
    liveness.hear("b", 0.9)
    liveness.hear("a", 1.0)
    liveness.excuse(10)
    assert liveness.alive(11.15) == 0b11
    assert liveness.alive(11.25) == 0b01
    assert liveness.alive(11.31) == 0b00


def test_a_machine_that_stands_still_costs_no_sample_its_answer():
    topology = star_topology()
    collector = Collector(topology, roll=Roll(1), samples=1, prior_class=0, patience_s=0.3)
    for name in topology.nodes:
        collector.handle(name, Heartbeat(), 0.0)
    collector.tick(0.0)
    collector.excuse(30)
    collector.tick(30.1)
    assert collector.take_answers() == []
    collector.handle("gateway", Verdict([0], [0b111], [2], [0.1], [True], [0.9]), 30.2)
    (answer,) = collector.take_answers()
    assert (answer.degraded, answer.latency_s) == (False, 30.2)
