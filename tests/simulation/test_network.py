"""What the network of a simulation does to messages."""

import pytest

from ddnn.simulation.network import CONNECT_S, QUEUE_MESSAGES, Conditions, Network
from ddnn.simulation.scheduler import Scheduler


class Bench:
    """Two processes, a and b."""

    def __init__(self, **conditions: float) -> None:
        self.scheduler = Scheduler()
        self.network = Network(
            self.scheduler,
            latency_s=0.001,
            jitter_s=0.001,
            conditions=Conditions(**conditions),
            seed=1,
        )
        self.a = self.network.join("a", lambda: None)
        self.b = self.network.join("b", lambda: None)
        self.network.link("a", "b")
        self.wait(2 * CONNECT_S[1])

    def wait(self, seconds: float) -> None:
        end_s = self.scheduler.now_s + seconds
        self.scheduler.at(end_s, lambda: None)
        while self.scheduler.now_s < end_s:
            self.scheduler.step()

    def send(self, *texts: bytes) -> None:
        for text in texts:
            assert self.a.send("b", text)
        self.a.depart(self.scheduler.now_s)

    def received(self) -> list[bytes]:
        self.wait(1)
        return [data for data, _ in self.b.receive(0)]


TEXTS = [b"%03d" % number for number in range(200)]


def test_messages_arrive_in_order_after_their_latency():
    bench = Bench()
    bench.send(*TEXTS)
    bench.wait(0.0009)
    assert bench.b.receive(0) == []
    assert bench.received() == TEXTS


def test_reordered_messages_all_arrive_not_in_order():
    bench = Bench(reorder=0.5)
    bench.send(*TEXTS)
    received = bench.received()
    assert received != TEXTS
    assert sorted(received) == TEXTS


def test_a_lossy_network_loses_its_share():
    bench = Bench(loss=0.25)
    bench.send(*TEXTS)
    assert 120 < len(bench.received()) < 180


def test_bandwidth_makes_messages_wait_for_each_other():
    bench = Bench(bandwidth_kbps=8)  # a byte a millisecond
    bench.send(bytes(100), bytes(100))
    bench.wait(0.15)
    assert len(bench.b.receive(0)) == 1
    assert len(bench.received()) == 1


def test_a_cut_holds_in_its_direction_alone():
    bench = Bench()
    bench.network.cut("b", "a", ends=False)
    bench.send(b"one")
    bench.network.cut("a", "b", ends=False)
    bench.send(b"two")
    bench.network.cut("a", "b", ends=True)
    bench.send(b"three")
    assert bench.received() == [b"one", b"three"]


def test_nothing_is_taken_for_a_process_that_is_gone_or_just_came_back():
    bench = Bench()
    bench.network.leave("b")
    assert not bench.a.send("b", b"lost")
    bench.b = bench.network.join("b", lambda: None)
    assert not bench.a.send("b", b"too early")
    bench.wait(CONNECT_S[1])
    bench.send(b"new")
    assert bench.received() == [b"new"]


def test_what_had_not_left_when_its_process_ended_never_does():
    bench = Bench()
    bench.a.send("b", b"left")
    bench.a.depart(bench.scheduler.now_s)
    bench.a.send("b", b"still computing")
    bench.a.depart(bench.scheduler.now_s + 0.5)
    bench.wait(0.01)
    bench.network.leave("a")
    assert bench.received() == [b"left"]


def test_the_queue_of_a_process_that_does_not_read_fills_up():
    bench = Bench()
    bench.send(*[b"x"] * QUEUE_MESSAGES)
    assert not bench.a.send("b", b"one more")
    bench.received()
    assert bench.a.send("b", b"room again")


def test_a_replay_says_again_what_was_said():
    bench = Bench()
    bench.send(b"one", b"two")
    assert bench.received() == [b"one", b"two"]
    bench.network.replay("a", "b", 0.1)
    assert sorted(bench.received()) == [b"one", b"two"]


@pytest.mark.parametrize("seed", [1, 2])
def test_links_draw_their_luck_apart(seed):
    def first(*senders: str) -> float:
        network = Network(Scheduler(), latency_s=0, jitter_s=0, conditions=Conditions(), seed=seed)
        for sender in senders:
            network.link(sender, "x").random.random()
        return network.link("b", "x").random.random()

    assert first() == first("a")
