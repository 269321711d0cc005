"""One sender, one receiver, and whatever the network does to the bytes between them."""

import struct
import zlib

import numpy as np
import pytest
from builders import star_topology
from hypothesis import given
from hypothesis import strategies as st
from speaker import BOOT, RUN, Speaker

from ddnn.topology import COLLECTOR
from ddnn.wire.budget import BURST_ROWS, Budget
from ddnn.wire.codec import Codec
from ddnn.wire.heard import STARTS
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Ask, Capture, Heartbeat, Roll, Scores, Stop
from ddnn.wire.transport import Arrived, Mailbox, Transport

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


def captures(count: int, *, boot: int = RUN, first: int = 0) -> list[bytes]:
    """Messages of the collector, as sent."""
    collector = Speaker(CODEC, COLLECTOR, boot=boot, first=first)
    return [collector.says(Capture([n])) for n in range(count)]


def believed(mailbox: Mailbox, wire: Wire, *messages: bytes) -> list[int]:
    """The samples of the captures that the mailbox passes on."""
    wire.arriving = list(messages)
    return [m.samples_N[0] for _, m in mailbox.receive(0) if isinstance(m, Capture | Ask)]


def joined(name: str, wire: Transport, **options: object) -> Mailbox:
    """A mailbox that takes part in the run, whose collector it knows."""
    mailbox = Mailbox(name, CODEC, wire, boot=BOOT, **options)
    mailbox.join(RUN)
    return mailbox


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def cam0(wire: Wire) -> Mailbox:
    return joined("cam0", wire)


@given(order=st.lists(st.integers(0, 7), max_size=30))
def test_each_message_is_believed_at_most_once_and_in_order(order):
    messages = captures(8)
    wire = Wire()
    mailbox = joined("cam0", wire)
    samples = believed(mailbox, wire, *(messages[n] for n in order))
    assert samples == sorted(set(samples))
    assert len(samples) + mailbox.ledger.events["replayed"] == len(order)


@pytest.mark.parametrize("start", [2**32 - 2, 2**31 - 2], ids=["32 bits", "31 bits"])
def test_sequence_numbers_start_again(cam0, wire, start):
    messages = captures(4, first=start)
    assert believed(cam0, wire, *messages) == [0, 1, 2, 3]
    assert believed(cam0, wire, *messages) == []


class Asking:
    """Starts of the gateway, that ask cam0 for features; time passes by hand."""

    def __init__(self) -> None:
        self.now_s, self.wire = 0.0, Wire()
        self.mailbox = joined("cam0", self.wire, clock=lambda: self.now_s, patience_s=0.3)
        self.events = self.mailbox.ledger.events

    def start(self, boot: int, asks: int = 3) -> list[bytes]:
        """All that this start says: a heartbeat, and so many Asks."""
        gateway = Speaker(CODEC, "gateway", boot=boot)
        return [gateway.announces(), *(gateway.says(Ask([n])) for n in range(asks))]

    def believes(self, *messages: bytes) -> list[int]:
        return believed(self.mailbox, self.wire, *messages)


def test_nobody_is_believed_before_it_is_known_which_start_of_it_speaks():
    asking = Asking()
    beat, first, second, _ = asking.start(1)
    assert asking.believes(first, beat, second) == [1]
    assert asking.events == {"unannounced": 1}


def test_another_start_is_believed_once_the_one_before_is_silent_and_its_past_is_not():
    asking = Asking()
    past, present = asking.start(1), asking.start(2)
    assert asking.believes(*past[:3]) == [0, 1]
    assert asking.believes(*present) == []  # the first one just spoke
    asking.now_s += 0.31
    assert asking.believes(*present, past[3], past[0]) == [0, 1, 2]
    assert asking.events == {"replayed": 2, "checksum": 4}


class Idling:
    """What the cloud hears of two starts of cam0, the first of which idles, and of their keeper."""

    def __init__(self) -> None:
        self.now_s, self._wire = 0.0, Wire()
        self._cloud = joined("cloud", self._wire, clock=lambda: self.now_s, patience_s=0.3)
        self._keepers = {boot: Speaker(CODEC, "gateway", boot=boot) for boot in (1, 2)}
        self._second = Speaker(CODEC, "cam0", boot=2)
        assert self._takes(Speaker(CODEC, "cam0", boot=1).says(Heartbeat(boot=1, every=6)))
        self.keeper_says(Heartbeat(boot=1))

    def _takes(self, data: bytes) -> bool:
        self._wire.arriving = [data]
        return bool(self._cloud.receive(0))

    def keeper_says(self, beat: Heartbeat) -> None:
        assert self._takes(self._keepers[beat.boot].says(beat))

    def takes_the_second_at(self, now_s: float) -> bool:
        self.now_s = now_s
        return self._takes(self._second.announces())


def test_another_start_waits_for_as_long_as_the_latest_heartbeat_of_the_present_one_is_good_for():
    idling = Idling()
    assert not idling.takes_the_second_at(0.31)
    assert not idling.takes_the_second_at(1.79)
    assert idling.takes_the_second_at(1.81)


def test_another_start_waits_no_longer_for_one_that_its_keeper_has_given_up():
    idling = Idling()
    idling.now_s = 0.25
    idling.keeper_says(Heartbeat(boot=1, gone=frozenset({"cam0"})))
    assert not idling.takes_the_second_at(0.29)
    assert idling.takes_the_second_at(0.31)


def test_another_start_waits_no_longer_where_the_keeper_has_started_anew_too():
    idling = Idling()
    idling.now_s = 0.31
    assert not idling.takes_the_second_at(0.31)
    idling.keeper_says(Heartbeat(boot=2))
    assert idling.takes_the_second_at(0.31)


def test_a_start_that_was_heard_before_goes_on_however_often_others_spoke():
    asking = Asking()
    honest = Speaker(CODEC, "gateway", boot=1)
    assert asking.believes(honest.announces(), honest.says(Ask([0]))) == [0]
    for boot in range(2, 6):
        asking.now_s += 0.31
        assert asking.believes(*asking.start(boot)) == [0, 1, 2]
        assert asking.believes(honest.announces(), honest.says(Ask([boot]))) == [boot]


def test_a_node_restarted_a_thousand_times_is_remembered_in_bounded_memory():
    asking = Asking()
    for boot in range(1, 1001):
        asking.now_s += 0.31
        assert asking.believes(*asking.start(boot, asks=1)) == [0]
    assert len(asking.mailbox._heard["gateway"]._latest) == STARTS
    assert asking.believes(*asking.start(990, asks=1)) == []


def test_what_was_said_in_another_run_is_refused_and_counted(cam0, wire):
    before = Speaker(CODEC, COLLECTOR, run=RUN + 1, boot=RUN + 1)
    assert believed(cam0, wire, before.says(Capture([3])), before.announces()) == []
    assert cam0.ledger.events == {"other-run": 2}


def test_another_run_forgets_what_was_counted_and_heard(cam0, wire):
    now = captures(3)
    assert believed(cam0, wire, *now, now[0]) == [0, 1, 2]
    cam0.send("gateway", Heartbeat(boot=BOOT))
    before = cam0.ledger.zmtp(sent=False)
    cam0.join(RUN + 1)
    assert not cam0.ledger.events
    assert cam0.ledger.account().links == ()
    assert cam0.ledger.zmtp(sent=False) == before > 0  # as the kernel's count goes on
    later = Speaker(CODEC, COLLECTOR, run=RUN + 1, boot=RUN + 1)
    assert believed(cam0, wire, *now, later.says(Capture([9]))) == [9]
    assert cam0.ledger.events == {"other-run": 3}


def test_a_roll_call_is_heard_in_whatever_run(cam0, wire):
    roll = Roll(RUN + 1, data=5, samples=7)
    wire.arriving = [Speaker(CODEC, COLLECTOR, run=9).says(roll)]
    assert cam0.receive(0) == [(COLLECTOR, roll)]


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
    mailbox = joined(COLLECTOR, wire)
    assert not mailbox.send("cam0", Stop())
    assert not mailbox.send("cam0", Heartbeat())
    assert mailbox.ledger.events == {"unsent": 1}  # heartbeats to the dead are no loss
    wire.accepts = True
    assert mailbox.send("cam0", Stop())
    assert [link.messages for link in mailbox.ledger.account().links] == [1]


def test_both_ends_count_the_same():
    network, rng = MemoryNetwork(), np.random.default_rng(0)
    cam0 = joined("cam0", network.join("cam0"))
    gateway = joined("gateway", network.join("gateway"))
    cam0.send("gateway", Heartbeat(boot=BOOT))
    gateway.receive(0)
    for rows in (1, 5, 64):
        scores = Scores(
            range(rows),
            [0b111] * rows,
            rng.normal(size=(rows, 3)).astype(np.float32),
        )
        cam0.send("gateway", scores)
    assert len(gateway.receive(0)) == 3
    (_, sent), (_, received) = (box.ledger.account().links for box in (cam0, gateway))
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
    assert believed(cam0, wire, *captures(2, first=500)) == []
    assert cam0.ledger.events == {"impersonated": 2}
    wire.peer = COLLECTOR
    assert believed(cam0, wire, *captures(2)) == [0, 1]


def test_who_says_hello_from_another_bundle_is_remembered_by_name(cam0, wire):
    other = Codec(star_topology(), 0xBEEF)
    data = Speaker(other, COLLECTOR).says(Roll(RUN + 1))
    damaged = data[:4] + b"\x01" + data[5:]
    assert believed(cam0, wire, damaged) == []
    assert cam0.foreign == {}  # a damaged message accuses nobody
    assert believed(cam0, wire, data) == []
    assert cam0.foreign == {COLLECTOR: other.lobby.session}
    assert cam0.ledger.events == {"checksum": 1, "session": 1}
    wire.peer = "cam1"
    assert believed(cam0, wire, data) == []
    assert cam0.ledger.events["impersonated"] == 1


def test_messages_are_numbered_one_by_one(wire):
    mailbox = Mailbox(COLLECTOR, CODEC, wire, boot=RUN)
    mailbox.join(RUN)
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
    key = CODEC.seal(RUN).of(BOOT).key
    checksum = zlib.crc32(data[16:], zlib.crc32(bytes(4), zlib.crc32(data[:12], key)))
    return data[:12] + struct.pack("<I", checksum) + data[16:]


@given(
    messages=st.lists(
        st.binary(max_size=300) | st.lists(mutations, min_size=1, max_size=3), max_size=20
    )
)
def test_whatever_arrives_is_believed_or_counted(messages):
    """With right checksums too: nothing is raised, nothing is lost from the count."""
    wire = Wire()
    mailbox = joined("gateway", wire)
    cam1 = Speaker(CODEC, "cam1")
    assert believed(mailbox, wire, cam1.announces()) == []
    scores = Scores(range(5), [0b111] * 5, np.ones((5, 3), dtype=np.float32))
    wire.arriving = [m if isinstance(m, bytes) else mutated(cam1.says(scores), m) for m in messages]
    received = mailbox.receive(0)
    assert len(received) + mailbox.ledger.events.total() == len(messages)
    for _, message in received:
        if isinstance(message, Scores):
            assert np.isfinite(message.scores_NK).all()
            assert message.scores_NK.shape == (len(message.samples_N), 3)


def test_what_is_beyond_a_senders_budget_is_refused_and_its_next_message_still_believed(wire):
    now_s = 0.0
    cam0 = joined("cam0", wire, clock=lambda: now_s, admits=Budget(3).admits)
    messages = captures(BURST_ROWS + 2)
    assert len(believed(cam0, wire, *messages[:-1])) == BURST_ROWS
    assert cam0.ledger.events == {"over-budget": 1}
    now_s = 1.0
    assert believed(cam0, wire, messages[-1]) == [BURST_ROWS + 1]
