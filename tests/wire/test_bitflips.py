"""Payload bits that flip on the way, and links as somebody recorded them."""

import numpy as np
import pytest
from builders import star_topology
from speaker import RUN, Speaker

from ddnn.topology import COLLECTOR
from ddnn.wire.bitflips import flipped, with_errors
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import EVERYONE, FaultyTransport, LinkFault
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Capture, Features, Heartbeat, Scores
from ddnn.wire.trace import NOTHING, Trace, TraceStep
from ddnn.wire.transport import Mailbox

TOPOLOGY = star_topology()
CODEC = Codec(TOPOLOGY, 1)
SHAPE = TOPOLOGY.feature_shape("cam0")


def features(rows: int) -> Features:
    values = np.ones((rows, *SHAPE), np.float32)
    return Features(tuple(range(rows)), (1,) * rows, values)


def said(message) -> bytes:
    return Speaker(CODEC, "cam0").says(message)


def taken(data: bytes, receiver: str) -> list:
    """What a mailbox believes of it."""
    network = MemoryNetwork()
    mailbox, wire = Mailbox(receiver, CODEC, network.join(receiver)), network.join("cam0")
    mailbox.join(RUN)
    wire.send(receiver, Speaker(CODEC, "cam0", first=1).announces())
    wire.send(receiver, data)
    return [message for _, message in mailbox.receive(0) if not isinstance(message, Heartbeat)]


def test_a_message_with_flipped_bits_is_believed_and_says_something_else():
    data = Speaker(CODEC, "cam0", first=2).says(features(3))
    damaged = flipped(data, rate=0.1, seed=1, head_bytes=CODEC.head_bytes)
    (message,) = taken(damaged, "cloud")
    assert (message.samples_N, message.views_N) == ((0, 1, 2), (1, 1, 1))
    share = (message.features_NFHW == -1).mean()
    assert 0.03 < share < 0.2


def test_a_flipped_number_that_is_none_is_refused():
    scores = Scores((0,), (1,), np.full((1, len(TOPOLOGY.classes)), np.inf, np.float32))
    data = Speaker(CODEC, "cam0", first=2).says(scores)
    assert taken(flipped(data, rate=1e-9, seed=1, head_bytes=CODEC.head_bytes), "gateway") == []


@pytest.mark.parametrize("message", [Heartbeat(boot=7), Capture((1, 2))], ids=["beat", "capture"])
def test_only_payload_is_hit(message):
    sender = "cam0" if isinstance(message, Heartbeat) else COLLECTOR
    data = Speaker(CODEC, sender).says(message)
    assert flipped(data, rate=0.5, seed=1, head_bytes=CODEC.head_bytes) == data


def test_how_many_bits_flip_is_the_rate_and_which_ones_the_seed():
    clean = bytes(20_000)
    found = {
        seed: np.frombuffer(with_errors(clean, rate=0.01, seed=seed), np.uint8) for seed in (1, 2)
    }
    for damaged in found.values():
        assert 0.008 < np.unpackbits(damaged).mean() < 0.012
    assert (found[1] != found[2]).any()
    assert with_errors(clean, rate=0.01, seed=1) == found[1].tobytes()


class Link:
    """From cam0, with a clock by hand."""

    def __init__(self, seed: int = 0) -> None:
        self.now_s = 0.0
        network = MemoryNetwork()
        self.far = network.join("cloud")
        self.near = FaultyTransport(
            network.join("cam0"),
            "cam0",
            seed=seed,
            clock=lambda: self.now_s,
            head_bytes=CODEC.head_bytes,
        )

    def arrived(self, now_s: float) -> list[bytes]:
        self.now_s = now_s
        self.near.receive(0)
        return [data for data, _ in self.far.receive(0)]


def test_bits_flip_alike_under_one_seed_and_stop_when_it_is_over():
    def sent(seed: int) -> bytes:
        link = Link(seed)
        link.near.set("cloud", LinkFault(kind="bitflip", bit_error_rate=0.2))
        link.near.send("cloud", said(features(1)))
        return link.arrived(0)[0]

    assert sent(1) == sent(1) != sent(2)
    link = Link()
    link.near.set(EVERYONE, LinkFault(kind="bitflip", bit_error_rate=0.2))
    link.near.clear(EVERYONE, "bitflip")
    link.near.send("cloud", said(features(1)))
    assert link.arrived(0) == [said(features(1))]


def test_two_bitflips_do_not_undo_each_other():
    link = Link()
    for peer in ("cloud", EVERYONE):
        link.near.set(peer, LinkFault(kind="bitflip", bit_error_rate=0.2))
    link.near.send("cloud", said(features(1)))
    assert link.arrived(0) != [said(features(1))]


def test_a_trace_says_what_holds_at_a_time():
    trace = Trace([(1.0, 5.0, 0.0, 0.0), (2.0, 7.0, 0.5, 10.0)], begun_s=100.0)
    found = [trace.now(100 + at_s) for at_s in (0.5, 1.0, 1.9, 2.0, 99.0)]
    first, second = TraceStep(1.0, 5.0), TraceStep(2.0, 7.0, 0.5, 10.0)
    assert found == [NOTHING, first, first, second, second]


def test_a_link_follows_its_trace_and_is_free_when_it_is_over():
    link, data = Link(), said(features(1))
    slow = len(data) * 8 / 1000  # kbit/s: one message a second
    steps = [(0.0, 500.0, 0.0, 0.0), (10.0, 0.0, 1.0, 0.0), (20.0, 0.0, 0.0, slow)]
    link.near.set("cloud", LinkFault(kind="trace", steps=steps))
    link.near.send("cloud", data)
    assert [len(link.arrived(now_s)) for now_s in (0.4, 0.5)] == [0, 1]
    link.now_s = 11.0
    link.near.send("cloud", data)
    assert link.arrived(19.0) == []
    link.now_s = 21.0
    for _ in range(2):
        link.near.send("cloud", data)
    assert [len(link.arrived(now_s)) for now_s in (21.9, 22.0, 22.9, 23.0)] == [0, 1, 0, 1]
    link.near.clear("cloud", "trace")
    link.near.send("cloud", data)
    assert link.arrived(23.0) == [data]
