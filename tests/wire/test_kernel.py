"""Over real sockets: what the ledger counts is what the Linux kernel counts."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from builders import star_topology
from ports import free_port
from speaker import RUN
from waiting import wait_until

from ddnn.errors import TransportError
from ddnn.nodes.loop import settled_account
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.kernel import IS_COUNTED, PLAIN, Change, Connections, Event, Traffic, tells_bytes
from ddnn.wire.messages import Account, Capture, Heartbeat, Roll
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport

pytestmark = pytest.mark.skipif(not IS_COUNTED, reason="the system counts no bytes")
CODEC = Codec(star_topology(), 1)
LONGEST = Capture(range(64))  # framed with 9 bytes, the others with 2
MESSAGES = [Heartbeat(boot=RUN), Capture(range(3)), LONGEST] * 40


def came(descriptor: int) -> Event:
    return Event(Change.CAME, descriptor)


def went(descriptor: int) -> Event:
    return Event(Change.WENT, descriptor)


class Pair:
    """The collector and one device over ZeroMQ."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.port = free_port()
        self.collector = self._mailbox(COLLECTOR, free_port(), {"cam0": self.port})
        self.start_device()

    def start_device(self) -> None:
        self._device = self._open.enter_context(ExitStack())
        self.device = self._mailbox("cam0", self.port, {}, self._device)

    def stop_device(self) -> Account:
        account = settled_account(self.device)
        self._device.close()
        return account

    def send_all(self) -> None:
        wanted = self.hear() + len(MESSAGES)
        for message in MESSAGES:
            wait_until(lambda m=message: self.collector.send("cam0", m))
        wait_until(lambda: self.hear() == wanted)

    def close(self) -> None:
        self._open.close()

    def hear(self) -> int:
        """Messages that the device has received."""
        self.device.receive(0.01)
        return sum(link.messages for link in self.device.ledger.account().links)

    def _mailbox(
        self,
        name: str,
        port: int,
        peers: dict[str, int],
        stack: ExitStack | None = None,
    ) -> Mailbox:
        transport = ZmqTransport(
            name,
            endpoint=f"tcp://127.0.0.1:{port}",
            peers={peer: f"tcp://127.0.0.1:{at}" for peer, at in peers.items()},
            max_bytes=CODEC.max_bytes,
        )
        (stack or self._open).callback(transport.close)
        mailbox = Mailbox(name, CODEC, transport, boot=RUN, traffic=transport.traffic)
        mailbox.join(RUN)
        return mailbox


@pytest.fixture
def pair() -> Iterator[Pair]:
    found = Pair()
    yield found
    found.close()


def test_the_kernel_counts_what_the_ledger_counts_at_both_ends(pair):
    pair.send_all()
    sent = settled_account(pair.collector).kernel
    received = settled_account(pair.device).kernel
    assert sent.sent_zmtp == sent.sent_kernel > 40 * 256
    assert received.received_zmtp == received.received_kernel == sent.sent_kernel
    assert (sent.received_kernel, received.sent_kernel) == (0, 0)
    assert (sent.connections, received.connections) == (1, 1)


def test_connections_made_again_are_summed(pair):
    received = []
    for start in range(3):
        pair.send_all()
        wait_until(lambda n=start + 1: pair.collector.kernel().connections == n)
        received.append(pair.stop_device().kernel.received_kernel)
        wait_until(lambda: not pair.collector.send("cam0", Heartbeat()))
        pair.start_device()
    kernel = settled_account(pair.collector).kernel
    assert kernel.unread == 0
    assert kernel.sent_kernel >= sum(received) == 3 * received[0] > 0


def test_refused_messages_have_crossed_the_wire_too(pair):
    pair.send_all()
    stranger = Mailbox(COLLECTOR, Codec(star_topology(), 2), pair.collector._transport)
    stranger.send("cam0", Roll(RUN))
    wait_until(lambda: pair.hear() and pair.device.ledger.events["session"] == 1)
    assert settled_account(pair.device).kernel.agrees


def test_what_connects_and_says_nothing_counts_for_nothing(pair):
    pair.send_all()
    with socket.create_connection(("127.0.0.1", pair.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        kernel = settled_account(pair.device).kernel
    assert kernel.agrees
    assert kernel.connections == 1


def test_a_connection_that_is_gone_before_it_is_seen_is_reported_as_unread():
    connections = Connections(PLAIN, bound=True)
    connections.take([came(99), Event(Change.SHOOK_HANDS), went(99), went(98)])
    assert connections.traffic.unread == 1


def test_one_that_goes_without_a_handshake_was_no_connection():
    connections = Connections(PLAIN, bound=True)
    connections.take([came(99), went(99), came(2**20)])
    connections.take([went(2**20)])
    assert connections.traffic == Traffic()


@pytest.mark.parametrize(("size", "tells"), [(104, False), (192, False), (216, True), (232, True)])
def test_an_answer_without_byte_counts_is_told_by_its_length(size, tells):
    assert tells_bytes(bytes(size)) == tells


def test_a_port_in_use_leaves_no_descriptor_open(pair):
    with pytest.raises(TransportError, match=f"{pair.port}.*wanted by cam1"):
        ZmqTransport(
            "cam1", endpoint=f"tcp://127.0.0.1:{pair.port}", peers={}, max_bytes=CODEC.max_bytes
        )
