"""Where a device's features go, message by message. N samples."""

import numpy as np
import pytest
from builders import star_topology
from by_hand import joined, sent
from networks import Trained, Trainer

from ddnn.nodes.base import Node
from ddnn.nodes.build import Equipment, build_node, patience_s
from ddnn.topology import COLLECTOR, read_topology
from ddnn.wire.messages import Ask, Capture, Features, Heartbeat, Roll, Scores, Verdict

TOPOLOGY = read_topology("edge-fallback")
PATIENCE_S = patience_s(TOPOLOGY)
BEAT_S = TOPOLOGY.heartbeat.interval_ms / 1000


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    return Trainer(tmp_path_factory.mktemp("bundles"))(TOPOLOGY, 8)


class Bench:
    """cam3: its parent is edge0, its fallback the cloud. All of 8 samples are captured."""

    def __init__(self, trained: Trained) -> None:
        views = trained.samples.views_NVCHW[:, 3]
        self.node: Node = joined("cam3", trained.bundle, views)
        self.now_s = 0.0
        self.node.handle(COLLECTOR, Capture(range(8)), 0.0)
        assert [(to, type(m)) for to, m in sent(self.node, 0.0)] == [("gateway", Scores)]

    def ask(self, *samples: int) -> list[tuple[str, list[int]]]:
        self.node.handle("gateway", Ask(list(samples)), self.now_s)
        return self.features()

    def wait(self, seconds: float, *, edge_beats: bool) -> list[tuple[str, list[int]]]:
        """Time passes, beat by beat: who got features of which samples."""
        found = []
        for _ in range(round(seconds / BEAT_S)):
            self.now_s += BEAT_S
            self.node.handle("gateway", Heartbeat(), self.now_s)
            if edge_beats:
                self.node.handle("edge0", Heartbeat(), self.now_s)
            found += self.features()
        return found

    def features(self) -> list[tuple[str, list[int]]]:
        out = sent(self.node, self.now_s)
        return [(to, list(m.samples_N)) for to, m in out if isinstance(m, Features)]


def test_features_that_a_parent_may_have_taken_to_its_grave_go_to_the_fallback(trained):
    """It may have died with them on its way or at work: no sample is lost to that."""
    bench = Bench(trained)
    bench.wait(1.0, edge_beats=True)
    assert bench.ask(0, 1) == [("edge0", [0, 1])]
    bench.wait(BEAT_S, edge_beats=False)
    assert bench.ask(2) == [("edge0", [2])]
    assert bench.wait(PATIENCE_S + BEAT_S, edge_beats=False) == [("cloud", [0, 1, 2])]
    assert bench.wait(1.0, edge_beats=False) == []  # once


def test_while_a_parent_is_silent_features_go_to_the_fallback_at_once(trained):
    bench = Bench(trained)
    bench.wait(2 * PATIENCE_S, edge_beats=False)
    assert bench.ask(5) == [("cloud", [5])]
    bench.wait(BEAT_S, edge_beats=True)
    assert bench.ask(6) == [("edge0", [6])]


def test_what_a_living_parent_took_long_ago_is_not_sent_again(trained):
    bench = Bench(trained)
    assert bench.ask(0) == [("edge0", [0])]
    assert bench.wait(3 * PATIENCE_S, edge_beats=True) == []
    assert bench.ask(1) == [("edge0", [1])]
    assert bench.wait(2 * PATIENCE_S, edge_beats=False) == [("cloud", [1])]


def test_a_device_wakes_by_itself_when_its_parent_has_to_be_given_up(trained):
    """Though no message comes: nobody else asks for what is in flight."""
    bench = Bench(trained)
    bench.wait(BEAT_S, edge_beats=True)
    bench.now_s += 0.3 * BEAT_S  # so that its own heartbeats are due at other times
    bench.node.handle("edge0", Heartbeat(), bench.now_s)
    bench.ask(0)
    due_s = bench.now_s
    for _ in range(20):  # its own heartbeats are due in between
        due_s = bench.node.due_s()
        found = [(to, m) for to, m in sent(bench.node, due_s) if isinstance(m, Features)]
        if found:
            break
    assert [(to, list(m.samples_N)) for to, m in found] == [("cloud", [0])]
    assert due_s - bench.now_s == pytest.approx(PATIENCE_S)


def test_a_turn_runs_so_many_samples_and_the_rest_is_due_at_once(tmp_path):
    topology = star_topology(2)
    bundle = Trainer(tmp_path)(topology, 8).bundle
    node = build_node("cloud", bundle, None, Equipment(turn_rows=3))
    node.handle(COLLECTOR, Roll(1), 0.0)
    for view, device in enumerate(topology.devices):
        features_NFHW = np.zeros((8, *topology.feature_shape(device)), np.float32)
        node.handle(device, Features(range(8), [1 << view] * 8, features_NFHW), 0.0)
    turns = []
    for turn in range(4):
        out = sent(node, turn / 1000)
        turns.append([s for _, m in out if isinstance(m, Verdict) for s in m.samples_N])
        assert (node.due_s() <= turn / 1000) == (turn < 2)
    assert turns == [[0, 1, 2], [3, 4, 5], [6, 7], []]
