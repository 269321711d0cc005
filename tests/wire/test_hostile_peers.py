"""Peers that speak ZeroMQ's protocol by hand: unfinished messages, crowds, half a handshake."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest
from builders import star_topology
from ports import free_port
from speaker import RUN, Speaker
from waiting import wait_until

from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.guard import HALF_OPEN, STRANGERS
from ddnn.wire.kernel import IS_COUNTED
from ddnn.wire.messages import Capture, Heartbeat
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport

pytestmark = pytest.mark.skipif(not IS_COUNTED, reason="the system counts no bytes")
CODEC = Codec(star_topology(), 1)
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LAST = b"\x01", b"\x00"
BOUND_BYTES = 64 << 20
"""More than what arrives between two looks, in a test that looks after each MB."""


def ready(kind: bytes) -> bytes:
    """The command that ends a handshake (ZMTP 3.1)."""
    body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return b"\x04" + bytes([len(body)]) + body


def part(flag: bytes, body: bytes) -> bytes:
    """Framed."""
    return flag + bytes([len(body)]) + body


class Street:
    """cam0, the collector that talks to it, and whoever else connects."""

    def __init__(self) -> None:
        self.open = ExitStack()
        self.port, self.other_port = free_port(), free_port()
        self.cam0 = self.mailbox("cam0", self.port)
        self.collector = self.mailbox(COLLECTOR, self.other_port, to="cam0")

    def mailbox(self, name: str, port: int, to: str | None = None) -> Mailbox:
        transport = ZmqTransport(
            name,
            endpoint=f"tcp://127.0.0.1:{port}",
            peers={to: f"tcp://127.0.0.1:{self.port}"} if to else {},
            max_bytes=CODEC.max_bytes,
            senders=1,
        )
        self.open.callback(transport.close)
        mailbox = Mailbox(
            name,
            CODEC,
            transport,
            boot=RUN,
            traffic=transport.traffic,
            events=transport.events,
        )
        mailbox.join(RUN)
        return mailbox

    def connect(self) -> socket.socket:
        """Without a word, nor waiting for one."""
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.open.enter_context(connection)

    def shake_hands(self) -> socket.socket:
        """As any PUSH socket does."""
        connection = self.connect()
        connection.sendall(GREETING + ready(b"PUSH"))
        received = b""
        while len(received) < len(GREETING + ready(b"PULL")):
            received += connection.recv(1000)
        return connection

    def talk(self) -> None:
        """The collector is heard."""

        def is_heard() -> bool:
            self.collector.send("cam0", Heartbeat(boot=RUN))
            self.collector.receive(0)
            return bool(self.cam0.receive(0.01))

        wait_until(is_heard)

    def settle(self) -> None:
        """Kernel and ledger of cam0 agree once everything is handed over."""
        wait_until(lambda: (self.cam0.receive(0.01), self.cam0.kernel().agrees)[1])

    def is_cut(self, connection: socket.socket, data: bytes) -> bool:
        """Whether the connection is ended before it brings BOUND_BYTES."""
        connection.setblocking(False)
        left = memoryview(data * (BOUND_BYTES // len(data)))
        end_s = time.monotonic() + 20
        while left and not self.cam0.ledger.events["unfinished"]:
            assert time.monotonic() < end_s, "neither cut nor done"
            try:
                left = left[connection.send(left[: 1 << 20]) :]
            except BlockingIOError:
                pass
            except ConnectionError:
                return True
            self.cam0.receive(0)
        return bool(left)


@pytest.fixture
def street() -> Iterator[Street]:
    found = Street()
    with closing(found.open):
        found.talk()
        yield found


@pytest.mark.parametrize("size", [0, 30, 255], ids=["no content", "small parts", "larger parts"])
def test_a_message_without_end_is_cut_off_and_stops_nobody(street, size):
    data = part(MORE, bytes(size))
    attacker = street.shake_hands()
    assert street.is_cut(attacker, data)
    street.talk()
    street.settle()
    street.talk()


def test_a_message_without_end_is_cut_off_though_others_keep_the_node_busy(street):
    attacker, talker = street.shake_hands(), street.shake_hands()
    for connection in (attacker, talker):
        connection.setblocking(False)
    chatter, endless = part(LAST, bytes(100)) * 10_000, part(MORE, bytes(200)) * 5_000
    left, right = memoryview(b""), memoryview(b"")
    end_s = time.monotonic() + 20
    while not street.cam0.ledger.events["unfinished"]:
        assert time.monotonic() < end_s, "not cut off"
        with suppress(BlockingIOError):
            left = left or memoryview(chatter)
            left = left[talker.send(left) :]
        with suppress(BlockingIOError, ConnectionError):
            right = right or memoryview(endless)
            right = right[attacker.send(right) :]
        street.cam0.receive(0)


def test_messages_of_more_than_one_part_are_refused_and_the_bytes_still_agree(street):
    attacker = street.shake_hands()
    whole = Speaker(CODEC, COLLECTOR, first=9).says(Capture([1]))
    attacker.sendall(part(MORE, whole) + part(LAST, whole))
    wait_until(lambda: (street.cam0.receive(0.01), street.cam0.ledger.events["multipart"])[1])
    street.settle()
    assert street.cam0.ledger.events.total() == 1


def test_a_node_that_connects_takes_nothing_from_who_listens():
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        transport = ZmqTransport(
            "cam0",
            endpoint="tcp://127.0.0.1:*",
            peers={"gateway": f"tcp://127.0.0.1:{listener.getsockname()[1]}"},
            max_bytes=CODEC.max_bytes,
        )
        stack.callback(transport.close)
        impostor = stack.enter_context(listener.accept()[0])
        impostor.sendall(GREETING + ready(b"PULL"))
        street = Street.__new__(Street)
        street.cam0 = Mailbox("cam0", CODEC, transport, events=transport.events)
        assert street.is_cut(impostor, part(MORE, bytes(200)))


@pytest.mark.parametrize("said", [b"", GREETING], ids=["nothing", "half a handshake"])
def test_of_connections_without_a_handshake_the_oldest_are_cut(street, said):
    for connection in [street.connect() for _ in range(3 * HALF_OPEN)]:
        connection.sendall(said)
    events = street.cam0.ledger.events
    connections = street.cam0._transport._watch.connections
    wait_until(lambda: (street.cam0.receive(0.01), events["crowd"])[1] >= 2 * HALF_OPEN)
    wait_until(lambda: (street.cam0.receive(0.01), len(connections.new) <= HALF_OPEN)[1])
    street.talk()
    street.settle()
    assert events.total() == events["crowd"] <= 3 * HALF_OPEN


def test_who_speaks_another_protocol_stops_nobody(street):
    for connection in [street.connect() for _ in range(3 * HALF_OPEN)]:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    street.talk()
    street.settle()
    events = street.cam0.ledger.events
    assert events.total() == events["crowd"]  # nothing was taken for a message


def test_silent_connections_are_cut_before_those_that_speak(street):
    crowd = [street.shake_hands() for _ in range(2 * STRANGERS)]
    events = street.cam0.ledger.events
    wait_until(lambda: (street.cam0.receive(0.01), events["crowd"])[1] >= STRANGERS - 1)
    assert is_ended(crowd[0])
    assert not is_ended(crowd[-1])
    street.talk()
    street.settle()
    assert street.cam0.kernel().connections == 2 * STRANGERS + 1


def is_ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
