"""What single nodes send, by hand and without a network. N samples, V views, K classes."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from builders import random_views, star_topology
from by_hand import joined, sent
from networks import Trained, Trainer

from ddnn.bundle.load import Bundle
from ddnn.errors import DataError
from ddnn.nodes.base import LED_S, Identity, Neighbours, Node, Outgoing
from ddnn.nodes.build import build_node
from ddnn.nodes.gather import SLOTS
from ddnn.topology import COLLECTOR, read_topology
from ddnn.wire.messages import (
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Hello,
    Message,
    Roll,
    Scores,
    Stop,
    Verdict,
)

STAR = star_topology()


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def star(train) -> Trained:
    return train(STAR, 8)


def never_sure(bundle: Bundle) -> Bundle:
    """The same bundle, whose exits always ask for features."""
    exits = {
        name: rule if rule.threshold is None else rule.model_copy(update={"threshold": 0.0})
        for name, rule in bundle.manifest.exits.items()
    }
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"exits": exits}))


def scores_of(view: int, *numbers: int) -> Scores:
    scores_NK = np.ones((len(numbers), 3), dtype=np.float32)
    return Scores(numbers, [1 << view] * len(numbers), scores_NK)


def test_a_gateway_asks_only_devices_that_delivered(star):
    gateway = joined("gateway", never_sure(star.bundle))
    for view in (0, 2):
        gateway.handle(f"cam{view}", scores_of(view, 7), now_s=0.0)
    assert sent(gateway, 0.0) == []
    deadline_s = STAR.tiers[0].exit.deadline_ms / 1000
    assert gateway.due_s() <= deadline_s
    verdict, expect, *asks = sent(gateway, deadline_s)
    assert verdict[0] == COLLECTOR
    assert isinstance(verdict[1], Verdict)
    assert not any(verdict[1].final_N)
    assert expect[0] == "cloud"
    assert isinstance(expect[1], Expect)
    assert expect[1].views_N == [0b101]
    assert [(to, type(m), m.samples_N) for to, m in asks] == [
        ("cam0", Ask, [7]),
        ("cam2", Ask, [7]),
    ]


def test_a_device_sends_features_only_when_asked_and_only_those_it_still_has(star):
    views = star.samples.views_NVCHW[:, 0]
    device = joined("cam0", star.bundle, views)
    device.handle(COLLECTOR, Capture([3, 4]), 0.0)
    ((to, message),) = sent(device, 0.0)
    assert (to, type(message), message.samples_N) == ("gateway", Scores, [3, 4])
    device.handle("gateway", Ask([4, 9]), 0.0)
    ((to, message),) = sent(device, 0.0)
    assert (to, type(message), message.samples_N) == ("cloud", Features, [4])
    assert device.events["forgotten"] == 1
    device.handle(COLLECTOR, Capture([4 + SLOTS]), 0.0)
    sent(device, 0.0)
    device.handle("gateway", Ask([4]), 0.0)
    assert sent(device, 0.0) == []
    assert device.events["forgotten"] == 2


def test_features_are_the_same_however_many_samples_share_a_batch(star):
    views = star.samples.views_NVCHW[:, 0]
    together, alone = (joined("cam0", star.bundle, views) for _ in range(2))
    together.handle(COLLECTOR, Capture(range(8)), 0.0)
    ((_, message),) = sent(together, 0.0)
    for n in range(8):
        alone.handle(COLLECTOR, Capture([n]), 0.0)
        ((_, one),) = sent(alone, 0.0)
        np.testing.assert_allclose(one.scores_NK[0], message.scores_NK[n], atol=1e-5)


def test_an_edge_that_was_long_idle_still_waits_for_its_own_scores(train):
    """It sends itself no heartbeats: they must not be missed."""
    topology = read_topology("f-edges-cloud")
    edge = joined("edge0", train(topology, 8).bundle)
    now_s = 1000.0
    edge.handle("edge1", Heartbeat(), 0.0)
    for name in ("edge1", "cam0", "cam1", "cam2"):
        edge.handle(name, Heartbeat(), now_s)
    scores = Scores([0], [0b111000], np.zeros((1, 3), dtype=np.float32))
    edge.handle("edge1", scores, now_s)
    assert sent(edge, now_s) == []
    shape = (1, *topology.feature_shape("cam0"))
    for view in range(3):
        features = Features([0], [1 << view], np.ones(shape, dtype=np.float32))
        edge.handle(f"cam{view}", features, now_s)
    to, verdict = sent(edge, now_s)[0]
    assert to == COLLECTOR
    assert verdict.views_N == [0b111111]


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (None, "no views"),
        (np.zeros((0, 1, 8, 8), np.uint8), "no views"),
        (np.zeros((2, 1, 8, 9), np.uint8), r"views are uint8 \(2, 1, 8, 9\), want uint8 \(N, 1, 8"),
        (np.zeros((2, 1, 8, 8), np.float32), r"views are float32 \(2, 1, 8, 8\)"),
    ],
    ids=["none", "empty", "size", "type"],
)
def test_a_device_refuses_views_that_do_not_fit(star, views, said):
    with pytest.raises(DataError, match=f"cam0: {said}"):
        build_node("cam0", star.bundle, views)


class Echo:
    """A part that sends its own node one message, and then the world."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def handle(self, sender: str, _message: Message, _now_s: float) -> None:
        self.heard.append(sender)

    def tick(self, _now_s: float) -> list[Outgoing]:
        if self.heard == ["other"]:
            return [Outgoing("me", Ask([1])), Outgoing("other", Ask([1]))]
        return []

    def due_s(self) -> float | None:
        return None


def node_of(*parts: Echo, data: int = 0, told: str = "", kept: str = "") -> Node:
    return Node(
        "me",
        lambda _roll: parts,
        identity=Identity(boot=7, data=data),
        neighbours=Neighbours(
            peers=("a", "b"),
            hears=("b", COLLECTOR),
            watchers=frozenset({"a", "b"}),
            told=frozenset(told),
            kept=frozenset(kept),
        ),
        heartbeat_s=0.1,
        patience_s=0.3,
        events=Counter(),
    )


def beats(node: Node, now_s: float) -> list[tuple[str, int]]:
    """To whom the node's heart beats now, and how many neighbours it lacks."""
    out = node.tick(now_s)
    return [(o.peer, o.message.unreached) for o in out if isinstance(o.message, Heartbeat)]


def test_messages_to_oneself_stay_within_the_node():
    echo = Echo()
    node = node_of(echo)
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("other", Ask([0]), 0.0)
    assert [out.peer for out in node.tick(0.0)] == [COLLECTOR, "a", "b", "other"]
    assert echo.heard == ["other", "me"]


def test_outside_a_run_a_node_says_hello_and_takes_nothing_in():
    echo = Echo()
    node = node_of(echo, data=5)
    node.handle("other", Ask([0]), 0.0)
    assert node.tick(0.0) == [Outgoing(COLLECTOR, Hello(boot=7, run=0, data=5))]
    assert node.tick(0.05) == []
    assert [out.peer for out in node.tick(0.1)] == [COLLECTOR]
    assert echo.heard == []


def test_the_heart_beats_at_its_interval_and_tells_who_is_neither_reached_nor_heard():
    node = node_of()
    node.handle(COLLECTOR, Roll(1), 0.0)
    assert beats(node, 0.0) == [("a", 2), ("b", 2)]
    assert node.due_s() == pytest.approx(0.1)
    assert node.tick(0.05) == []
    node.sent("a", taken=True)
    assert beats(node, 0.1) == [("a", 1), ("b", 1)]
    node.sent("b", taken=True)
    assert beats(node, 0.11) == [("a", 1), ("b", 1)]  # at once: others wait for it
    node.handle("b", Ask([1]), 0.12)
    assert beats(node, 0.3) == [("a", 0), ("b", 0)]
    node.sent("a", taken=False)
    assert beats(node, 0.5) == [("a", 1), ("b", 1)]


def test_a_heart_does_not_beat_for_whoever_has_just_heard_something_else():
    node = node_of()
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("b", Ask([1]), 0.0)
    for now_s in (0.0, 0.1):
        for peer, _ in beats(node, now_s):
            node.sent(peer, taken=True)
    node.tick(0.18)
    node.sent("a", taken=True)
    assert beats(node, 0.2) == [("b", 0)]
    node.sent("b", taken=True)
    assert beats(node, 0.31) == [("a", 0), ("b", 0)]


def passed(node: Node, beats_sent: range) -> list[Outgoing]:
    """What the heart says at these multiples of its interval; everything is taken."""
    found = []
    for number in beats_sent:
        out = [o for o in node.tick(number / 10 + 1e-9) if isinstance(o.message, Heartbeat)]
        for peer, _ in out:
            node.sent(peer, taken=True)
        found += out
    return found


def idle_device() -> Node:
    """It beats for `a`, its keeper, which tells `b`."""
    node = node_of(told="b")
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("b", Ask([1]), 0.0)
    passed(node, range(21))
    return node


def test_an_idle_device_beats_for_its_keeper_and_seldom_for_those_that_it_tells():
    found = passed(idle_device(), range(21, 31))
    assert [o.message.every for o in found if o.peer == "a"] == 10 * [1]
    assert [o.message.every for o in found if o.peer == "b"] == 2 * [6]


def test_a_device_that_has_something_to_say_beats_for_everybody_at_the_next_beat():
    node = idle_device()
    node._parts = (Echo(),)
    node.handle("other", Ask([1]), 2.15)
    node.tick(2.15)
    for peer in "ab":
        node.sent(peer, taken=True)  # whoever took something is told all the same
    found = passed(node, range(22, 26))
    assert [o.message.every for o in found if o.peer == "b"] == 4 * [1]


def test_a_device_that_does_not_reach_all_is_not_idle():
    node = idle_device()
    node.sent("a", taken=False)
    assert [(o.peer, o.message.every) for o in passed(node, range(21, 22))] == [("a", 1), ("b", 1)]


def test_a_keeper_tells_everybody_at_once_whom_it_has_given_up_and_who_is_back():
    node = node_of(kept="b")
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("b", Ask([1]), 0.0)
    passed(node, range(1))
    node.handle("b", Heartbeat(), 0.05)
    passed(node, range(1, 4))
    assert node.due_s() == pytest.approx(0.35)
    gone = [(o.peer, o.message.gone) for o in node.tick(0.35) if o.peer != COLLECTOR]
    assert gone == [("a", {"b"}), ("b", {"b"})]
    node.handle("b", Heartbeat(), 0.36)
    back = [(o.peer, o.message.gone) for o in node.tick(0.36) if o.peer != COLLECTOR]
    assert back == [("a", set()), ("b", set())]


def test_a_keeper_tells_everybody_at_once_that_another_start_has_taken_the_place_of_one_it_keeps():
    node = node_of(kept="b")
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("b", Heartbeat(boot=1), 0.0)
    assert [o.message.gone for o in node.tick(0.0) if o.peer != COLLECTOR] == [set(), set()]
    node.handle("b", Heartbeat(boot=2), 0.05)
    gone = [(o.peer, o.message.gone) for o in node.tick(0.05) if o.peer != COLLECTOR]
    assert gone == [("a", {"b"}), ("b", {"b"})]
    assert [o.message.gone for o in node.tick(0.1) if o.peer != COLLECTOR] == [set(), set()]


def test_a_keeper_outside_a_run_waits_for_nobody():
    node = node_of(kept="b")
    assert len(node.tick(0.0)) == 1  # a hello
    assert [node.tick(now_s) for now_s in (0.31, 0.32, 0.33)][1:] == [[], []]


def test_whoever_does_not_reach_all_says_so_to_everybody():
    node = node_of()
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("b", Ask([1]), 0.0)
    beats(node, 0.0)
    node.tick(0.09)
    node.sent("a", taken=True)
    assert beats(node, 0.1) == [("a", 1), ("b", 1)]


def test_another_start_of_a_peer_is_greeted_at_once():
    node = node_of()
    node.handle(COLLECTOR, Roll(1), 0.0)
    node.handle("a", Heartbeat(boot=3), 0.0)
    assert beats(node, 0.0)
    for peer in ("a", "b"):
        node.sent(peer, taken=True)
    assert beats(node, 0.0)
    node.handle("a", Heartbeat(boot=3), 0.01)
    assert node.tick(0.01) == []
    node.handle("a", Heartbeat(boot=4), 0.02)
    assert [peer for peer, _ in beats(node, 0.02)] == ["a", "b"]


def test_whoever_is_called_again_tells_all_neighbours_that_it_is_there():
    node = node_of()
    node.handle(COLLECTOR, Roll(1), 0.0)
    assert len(beats(node, 0.0)) == 2
    node.handle(COLLECTOR, Roll(1), 0.01)
    assert len(beats(node, 0.01)) == 2


def test_a_new_run_finds_a_node_as_if_it_had_just_started():
    made: list[Roll] = []
    node = node_of()
    node._make_parts = lambda roll: made.append(roll) or ()
    node.handle(COLLECTOR, Roll(1, samples=4), 0.0)
    node.events["late"] = 3
    node.handle(COLLECTOR, Roll(2, samples=8), 10.0)
    assert [(roll.run, roll.samples) for roll in made] == [(1, 4), (2, 8)]
    assert node.run == 2
    assert not node.events
    assert beats(node, 10.0) == [("a", 2), ("b", 2)]


def test_no_node_leaves_a_run_whose_collector_still_speaks():
    node = node_of()
    node.handle(COLLECTOR, Roll(1), 0.0)
    for now_s in range(10):
        node.handle(COLLECTOR, Heartbeat(boot=1), now_s)
        node.handle(COLLECTOR, Roll(2), now_s + 0.9)
        assert node.run == 1
    node.handle(COLLECTOR, Roll(2), 9 + LED_S)
    assert node.run == 2


def test_a_node_that_sees_other_samples_takes_no_part():
    node = node_of(data=5)
    node.handle(COLLECTOR, Roll(1, data=6), 0.0)
    assert node.run == 0
    assert node.events == {"other-data": 1}
    node.handle(COLLECTOR, Roll(1, data=5), 0.0)
    assert node.run == 1


def test_a_node_stops_when_told():
    node = node_of()
    assert not node.stopped
    node.handle(COLLECTOR, Stop(), 0.0)
    assert node.stopped


def test_views_repeat_when_there_are_fewer_than_samples(star):
    views = random_views(STAR, 4).views_NVCHW[:, 0]
    device = joined("cam0", star.bundle, views)
    device.handle(COLLECTOR, Capture([1, 5, 2**32 - 3]), 0.0)
    ((_, message),) = sent(device, 0.0)
    np.testing.assert_array_equal(message.scores_NK[0], message.scores_NK[1])
    np.testing.assert_array_equal(message.scores_NK[0], message.scores_NK[2])
