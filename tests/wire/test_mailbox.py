"""One sender, one receiver, and whatever the network does to the bytes between them."""

import struct
import zlib

import numpy as np
import pytest
from builders import star_topology
from hypothesis import given
from hypothesis import strategies as st

from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Capture, Heartbeat, Scores, Stop
from ddnn.wire.transport import Arrived, Mailbox

CODEC = Codec(star_topology(), 1)


class Wire:
    """A transport whose bytes can be taken and put by hand."""

    def __init__(self, *, accepts: bool = True) -> None:
        self.accepts = accepts
        self.sent: list[bytes] = []
        self.arriving: list[bytes] = []
        self.peer: str | None = None

    def send(self, _peer: str, data: bytes) -> bool:
        if self.accepts:
            self.sent.append(data)
        return self.accepts

    def receive(self, _timeout_s: float) -> list[Arrived]:
        arrived, self.arriving = self.arriving, []
        return [(data, self.peer) for data in arrived]

    def close(self) -> None:
        pass


def captures(count: int, *, epoch: int = 0, first_sequence: int = 0) -> list[bytes]:
    """Messages of the collector, as sent."""
    return [
        CODEC.encode(
            Capture([n]),
            sender=COLLECTOR,
            epoch=epoch,
            sequence=first_sequence + n,
        )
        for n in range(count)
    ]


def believed(mailbox: Mailbox, wire: Wire, *messages: bytes) -> list[int]:
    """The samples of the captures that the mailbox passes on."""
    wire.arriving = list(messages)
    return [message.samples_N[0] for _, message in mailbox.receive(0)]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def cam0(wire: Wire) -> Mailbox:
    return Mailbox("cam0", CODEC, wire)


@given(order=st.lists(st.integers(0, 7), max_size=30))
def test_each_message_is_believed_at_most_once_and_in_order(order):
    messages = captures(8)
    wire = Wire()
    mailbox = Mailbox("cam0", CODEC, wire)
    samples = believed(mailbox, wire, *(messages[n] for n in order))
    assert samples == sorted(set(samples))
    assert len(samples) + mailbox.ledger.events["replayed"] == len(order)


@pytest.mark.parametrize("start", [2**32 - 2, 2**31 - 2], ids=["32 bits", "31 bits"])
def test_sequence_numbers_start_again(cam0, wire, start):
    messages = captures(4, first_sequence=start)
    assert believed(cam0, wire, *messages) == [0, 1, 2, 3]
    assert believed(cam0, wire, *messages) == []


@pytest.mark.parametrize("epoch", [0, 254, 255], ids=str)
def test_a_restarted_sender_is_believed_and_its_past_is_not(cam0, wire, epoch):
    past, present = captures(3, epoch=epoch), captures(3, epoch=epoch + 1)
    assert believed(cam0, wire, *past[:2], *present, past[2]) == [0, 1, 0, 1, 2]
    assert cam0.ledger.events == {"old-epoch": 1}


def test_what_is_refused_is_counted_and_stops_nothing(cam0, wire):
    good = captures(2)
    bad = [b"", b"\x01" * 40, good[0][:-1], good[0] + b"\0"]
    assert believed(cam0, wire, bad[0], good[0], *bad[1:], good[1], good[1]) == [0, 1]
    assert cam0.ledger.events.total() == 5
    assert [link.messages for link in cam0.ledger.account().links] == [2]


def test_a_damaged_message_does_not_block_the_ones_after_it(cam0, wire):
    first, second = captures(2)
    damaged = bytearray(first)
    damaged[11] = 0x7F  # the highest byte of its sequence number
    assert believed(cam0, wire, bytes(damaged), first, second) == [0, 1]


def test_only_what_is_taken_counts_as_sent():
    wire = Wire(accepts=False)
    mailbox = Mailbox(COLLECTOR, CODEC, wire)
    assert not mailbox.send("cam0", Stop())
    assert not mailbox.send("cam0", Heartbeat())
    assert mailbox.ledger.events == {"unsent": 1}  # heartbeats to the dead are no loss
    wire.accepts = True
    assert mailbox.send("cam0", Stop())
    assert [link.messages for link in mailbox.ledger.account().links] == [1]


def test_both_ends_count_the_same():
    network, rng = MemoryNetwork(), np.random.default_rng(0)
    cam0 = Mailbox("cam0", CODEC, network.join("cam0"))
    gateway = Mailbox("gateway", CODEC, network.join("gateway"))
    for rows in (1, 5, 64):
        scores = Scores(
            range(rows),
            [0b111] * rows,
            rng.normal(size=(rows, 3)).astype(np.float32),
        )
        cam0.send("gateway", scores)
    assert len(gateway.receive(0)) == 3
    (sent,), (received,) = (box.ledger.account().links for box in (cam0, gateway))
    levels = ("messages", "rows", "information", "payload", "zmtp", "ip")
    assert [getattr(sent, x) for x in levels] == [getattr(received, x) for x in levels]
    assert (sent.sent, received.sent) == (True, False)


@pytest.mark.parametrize("peer", [None, COLLECTOR], ids=["no keys", "its own key"])
def test_a_sender_that_is_who_it_says_is_believed(cam0, wire, peer):
    wire.peer = peer
    assert believed(cam0, wire, *captures(2)) == [0, 1]


@pytest.mark.parametrize("peer", ["cam0", "cloud", ""], ids=["itself", "another", "nobody"])
def test_a_sender_with_another_key_is_refused_and_silences_nobody(cam0, wire, peer):
    wire.peer = peer
    assert believed(cam0, wire, *captures(2, first_sequence=500)) == []
    assert cam0.ledger.events == {"impersonated": 2}
    wire.peer = COLLECTOR
    assert believed(cam0, wire, *captures(2)) == [0, 1]


def test_messages_of_another_session_are_remembered_by_who_sent_them(cam0, wire):
    other = Codec(star_topology(), 0xBEEF)
    data = other.encode(Stop(), sender=COLLECTOR, epoch=0, sequence=0)
    damaged = data[:4] + b"\x01" + data[5:]
    assert believed(cam0, wire, damaged) == []
    assert cam0.foreign == {}  # a damaged message accuses nobody
    assert believed(cam0, wire, data) == []
    assert cam0.foreign == {COLLECTOR: 0xBEEF}
    assert cam0.ledger.events == {"session": 2}
    wire.peer = "cam1"
    assert believed(cam0, wire, data) == []
    assert cam0.foreign["cam1"] == 0xBEEF  # by its key, not by its word


DAY = 24 * 3600 * 10_000  # ticks
AWAY = {"for a moment": (1, 1, 1), "for days": (DAY, 3 * DAY, 4 * DAY)}


@pytest.mark.parametrize("silence", AWAY)
def test_a_later_run_of_a_node_is_not_taken_for_a_replay_of_the_earlier(silence):
    network, now = MemoryNetwork(), 2**32 - 10 * DAY
    cam0 = Mailbox("cam0", CODEC, network.join("cam0"))

    def clock() -> int:
        return now % 2**32

    for away in AWAY[silence]:
        collector = Mailbox(COLLECTOR, CODEC, network.join(COLLECTOR), clock=clock)
        for _ in range(20):
            collector.send("cam0", Heartbeat())
            collector.send("cam0", Heartbeat())  # at the same tick
            now += DAY // 4
        assert len(cam0.receive(0)) == 40
        now += away
    assert not cam0.ledger.events


def test_without_a_clock_messages_are_numbered_one_by_one(wire):
    mailbox = Mailbox(COLLECTOR, CODEC, wire)
    for sample in range(4):
        mailbox.send("cam0", Capture([sample]))
    assert wire.sent == captures(4)


mutations = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 10_000)),
    st.tuples(st.just("cut"), st.integers(0, 100)),
    st.tuples(st.just("add"), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("set"), st.integers(0, 11), st.integers(0, 255)),
)


def mutated(data: bytes, changes: list[tuple]) -> bytes:
    """The message changed here and there, its checksum right where that is possible."""
    for kind, *values in changes:
        if kind == "flip":
            place = values[0] % (8 * len(data)) if data else 0
            changed = bytearray(data or b"\0")
            changed[place // 8] ^= 1 << place % 8
            data = bytes(changed)
        elif kind == "cut":
            data = data[: len(data) - values[0] % (len(data) + 1)]
        elif kind == "add":
            data += values[0]
        elif len(data) > 11:
            data = data[: values[0]] + bytes([values[1]]) + data[values[0] + 1 :]
    if len(data) < 16:
        return data
    checksum = zlib.crc32(data[16:], zlib.crc32(bytes(4), zlib.crc32(data[:12])))
    return data[:12] + struct.pack("<I", checksum) + data[16:]


@given(
    messages=st.lists(
        st.binary(max_size=300) | st.lists(mutations, min_size=1, max_size=3), max_size=20
    )
)
def test_whatever_arrives_is_believed_or_counted(messages):
    """With right checksums too: nothing is raised, nothing is lost from the count."""
    wire = Wire()
    mailbox = Mailbox("gateway", CODEC, wire)
    scores = Scores(range(5), [0b111] * 5, np.ones((5, 3), dtype=np.float32))
    wire.arriving = [
        m
        if isinstance(m, bytes)
        else mutated(CODEC.encode(scores, sender="cam1", epoch=0, sequence=n), m)
        for n, m in enumerate(messages)
    ]
    received = mailbox.receive(0)
    assert len(received) + mailbox.ledger.events.total() == len(messages)
    for _, message in received:
        if isinstance(message, Scores):
            assert np.isfinite(message.scores_NK).all()
            assert message.scores_NK.shape == (len(message.samples_N), 3)
