"""Faults on the way of bytes, with a clock by hand."""

import numpy as np
import pytest
from builders import star_topology
from hypothesis import example, given
from hypothesis import strategies as st
from speaker import RUN, Speaker

from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import EVERYONE, FaultyTransport, LinkFault
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Capture, Heartbeat
from ddnn.wire.transport import Mailbox

CODEC = Codec(star_topology(), 1)


class Wire:
    """Notes what leaves; what arrives is put by hand."""

    def __init__(self) -> None:
        self.left: list[tuple[str, bytes]] = []
        self.arriving: list[tuple[bytes, str]] = []

    def send(self, peer: str, data: bytes) -> bool:
        self.left.append((peer, data))
        return True

    def receive(self, _timeout_s: float) -> list[tuple[bytes, str]]:
        arrived, self.arriving = self.arriving, []
        return arrived

    def close(self) -> None:
        pass


class Bench:
    def __init__(self, seed: int = 0) -> None:
        self.now_s = 0.0
        self.wire = Wire()
        self.transport = FaultyTransport(
            self.wire, "me", seed=seed, clock=lambda: self.now_s, head_bytes=CODEC.head_bytes
        )

    def send(self, sample: int, peer: str = "cam0") -> None:
        assert self.transport.send(peer, message(sample))

    def left(self, now_s: float = 1e9) -> list[int]:
        """The samples whose messages have left by now_s, in order."""
        self.now_s = now_s
        self.transport.receive(0)
        return [int(np.frombuffer(data[16:20], "<u4")[0]) for _, data in self.wire.left]


def message(sample: int) -> bytes:
    capture = Capture([sample])
    return Speaker(CODEC, "collector", first=sample).says(capture)


@example(steps=["delay", "send", "clear", "send"])
@given(
    steps=st.lists(
        st.sampled_from(["send", "clear", "delay", "latency", "bandwidth"]) | st.floats(0, 0.1),
        max_size=40,
    )
)
def test_the_order_of_a_link_is_kept_while_faults_come_and_go(steps):
    bench, sent = Bench(), 0
    faults = {
        "delay": LinkFault(kind="delay", delay_s=0.05, jitter_s=0.1),
        "latency": LinkFault(kind="latency", delay_s=0.02),
        "bandwidth": LinkFault(kind="bandwidth", bits_per_s=8000),
    }
    for step in steps:
        if isinstance(step, float):
            bench.now_s += step
        elif step == "send":
            bench.send(sent)
            sent += 1
        elif step == "clear":
            for kind in faults:
                bench.transport.clear("cam0", kind)
        else:
            bench.transport.set("cam0", faults[step])
    assert bench.left() == list(range(sent))


def test_a_delayed_message_leaves_when_its_time_has_come():
    bench = Bench()
    bench.transport.set("cam0", LinkFault(kind="delay", delay_s=0.5))
    bench.send(1)
    bench.send(2, peer="cam1")
    assert bench.left(0.4) == [2]
    assert bench.transport.due_s() == 0.5
    assert bench.left(0.5) == [2, 1]
    assert bench.transport.due_s() is None


def test_a_delayed_node_hears_at_once_and_answers_late():
    bench = Bench()
    bench.transport.set(EVERYONE, LinkFault(kind="delay", delay_s=0.5))
    bench.wire.arriving = [(message(1), "collector")]
    assert bench.transport.receive(0) == [(message(1), "collector")]
    bench.send(2)
    assert bench.left(0.4) == []
    assert bench.left(0.5) == [2]


def test_when_faults_end_what_is_held_leaves_before_what_follows():
    bench = Bench()
    bench.transport.set("cam0", LinkFault(kind="latency", delay_s=60))
    bench.send(1)
    bench.transport.end_faults()
    bench.send(2)
    assert bench.left(0) == [1, 2]


def test_a_narrow_link_carries_one_message_after_the_other():
    bench = Bench()
    bits = len(message(0)) * 8
    bench.transport.set("cam0", LinkFault(kind="bandwidth", bits_per_s=bits))
    for sample in range(3):
        bench.send(sample)
    assert [bench.left(now_s) for now_s in (0.9, 1.0, 2.0, 3.0)] == [[], [0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("kind", ["drop", "loss"])
def test_which_messages_are_lost_follows_from_the_seed_and_not_from_the_order(kind):
    def lost(seed: int, samples: list[int]) -> set[int]:
        bench = Bench(seed)
        bench.transport.set("cam0", LinkFault(kind=kind, share=0.3))
        for sample in samples:
            bench.send(sample)
        return set(samples) - set(bench.left())

    samples = list(range(500))
    assert lost(1, samples) == lost(1, samples[::-1]) != lost(2, samples)
    assert 0.2 < len(lost(1, samples)) / 500 < 0.4


def test_heartbeats_are_hit_by_their_number_whenever_they_are_sent():
    def taken(start: int) -> list[int]:
        bench = Bench()
        bench.transport.set("cam0", LinkFault(kind="loss", share=0.3))
        for number in range(100):
            beat = Speaker(CODEC, "cam1", first=start + 7 * number).says(Heartbeat())
            bench.transport.send("cam0", beat)
        return [(int.from_bytes(data[8:12], "little") - start) // 7 for _, data in bench.wire.left]

    assert taken(0) == taken(12345)
    assert 50 < len(taken(0)) < 90


FAULTS = [
    LinkFault(kind="drop", share=0.5),
    LinkFault(kind="corrupt", share=0.5),
    LinkFault(kind="bitflip", bit_error_rate=0.1),
    LinkFault(kind="trace", steps=[(0.0, 10.0, 0.1, 100.0)]),
    LinkFault(kind="delay", delay_s=0.1, jitter_s=0.1),
]


@given(arriving=st.lists(st.binary(max_size=40) | st.integers(0, 9).map(message), max_size=20))
def test_hostile_bytes_pass_or_are_lost_and_stop_nothing(arriving):
    bench = Bench()
    for fault in FAULTS:
        bench.transport.set(EVERYONE, fault)
    bench.wire.arriving = [(data, "cam0") for data in arriving]
    found = bench.transport.receive(0)
    bench.now_s = 1
    found += bench.transport.receive(0)
    short = [data for data in arriving if len(data) < 16]
    assert [data for data, _ in found if len(data) < 16] == short


def test_what_is_corrupted_is_refused():
    bench = Bench()
    bench.transport.set("cam0", LinkFault(kind="corrupt", share=1))
    for sample in range(100):
        bench.send(sample)
    network = MemoryNetwork()
    cam0, wire = Mailbox("cam0", CODEC, network.join("cam0")), network.join(COLLECTOR)
    cam0.join(RUN)
    for _, data in bench.wire.left:
        wire.send("cam0", data)
    assert cam0.receive(0) == []
    assert cam0.ledger.events.total() == 100


def test_a_partitioned_node_neither_hears_nor_is_heard_until_it_is_cleared():
    bench = Bench()
    bench.transport.set(EVERYONE, LinkFault(kind="partition"))
    bench.wire.arriving = [(message(5), "collector")]
    bench.send(1)
    assert (bench.left(), bench.transport.receive(0)) == ([], [])
    bench.transport.clear(EVERYONE, "partition")
    bench.send(2)
    assert bench.left() == [2]
    bench.wire.arriving = [(message(5), "collector")]
    assert len(bench.transport.receive(0)) == 1


def test_two_corruptions_do_not_undo_each_other():
    """Of the node and of one link: what is hit by both is still damaged."""
    bench = Bench()
    for peer in ("cam0", EVERYONE):
        bench.transport.set(peer, LinkFault(kind="corrupt", share=1))
    bench.send(1)
    assert [data for _, data in bench.wire.left] != [message(1)]
