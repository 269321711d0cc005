"""Real sockets, with and without CURVE."""

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import numpy as np
import pytest
import zmq
from builders import star_topology
from ports import free_port
from speaker import BOOT, RUN
from waiting import wait_until

from ddnn.errors import TransportError
from ddnn.nodes.loop import settled_account
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.guard import HALF_OPEN
from ddnn.wire.keys import KeyRing
from ddnn.wire.messages import Capture, Heartbeat, Hello, Scores
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport, make_key_pair

TOPOLOGY = star_topology(2, security={"curve": True})
CODEC = Codec(TOPOLOGY, 1)
NAMES = (COLLECTOR, *TOPOLOGY.nodes)
ASKED = Capture(range(64))


class Street:
    """Nodes at real ports, with keys of their own."""

    def __init__(self) -> None:
        self.open = ExitStack()
        self.pairs = {name: make_key_pair() for name in (*NAMES, "stranger")}
        self.public = {name: self.pairs[name].public for name in NAMES}
        self.ports = {name: free_port() for name in NAMES}

    def mailbox(
        self, name: str, *, to: tuple[str, ...] = (), key_of: str | None = "", plain: bool = False
    ) -> Mailbox:
        """key_of: whose keys it uses, its own by default."""
        ring = KeyRing(self.pairs[key_of or name], self.public)
        transport = ZmqTransport(
            name,
            endpoint=f"tcp://127.0.0.1:{self.ports.get(name) if not key_of else free_port()}",
            peers={peer: f"tcp://127.0.0.1:{self.ports[peer]}" for peer in to},
            max_bytes=CODEC.max_bytes,
            keys=None if plain else ring,
        )
        self.open.callback(transport.close)
        mailbox = Mailbox(name, CODEC, transport, boot=BOOT, traffic=transport.traffic)
        mailbox.join(RUN)
        mailbox.transport = transport
        return mailbox


@pytest.fixture
def street() -> Iterator[Street]:
    found = Street()
    with closing(found.open):
        yield found


def reaches(sender: Mailbox, peer: str, receiver: Mailbox) -> Callable[[], bool]:
    """Sends until something is believed."""

    def attempt() -> bool:
        sender.send(peer, Heartbeat(boot=BOOT))
        sender.receive(0)
        return bool(receiver.receive(0.01))

    return attempt


def test_nodes_that_know_each_other_talk(street):
    cam0, gateway = street.mailbox("cam0", to=("gateway",)), street.mailbox("gateway")
    wait_until(reaches(cam0, "gateway", gateway))
    assert gateway.ledger.events.total() == 0


@pytest.mark.parametrize("plain", [False, True], ids=["another key", "no key"])
def test_a_stranger_gets_no_message_in(street, plain):
    gateway = street.mailbox("gateway")
    stranger = street.mailbox("cam0", to=("gateway",), key_of="stranger", plain=plain)
    cam1 = street.mailbox("cam1", to=("gateway",))

    def refused() -> bool:
        assert not stranger.send("gateway", Heartbeat())
        stranger.receive(0)
        gateway.receive(0.01)
        return plain or gateway.transport.events["stranger"] > 0

    wait_until(refused)
    wait_until(reaches(cam1, "gateway", gateway))  # and stops nobody else
    assert gateway.ledger.events.total() == 0


def test_a_node_speaks_only_as_itself(street):
    gateway = street.mailbox("gateway")
    liar = street.mailbox("cam0", to=("gateway",), key_of="cam1")

    def refused() -> bool:
        liar.send("gateway", Heartbeat())
        assert gateway.receive(0.01) == []
        return gateway.ledger.events["impersonated"] > 3

    wait_until(refused)
    honest = street.mailbox("cam0", to=("gateway",))
    wait_until(reaches(honest, "gateway", gateway))


@pytest.mark.parametrize("curve", [False, True], ids=["plain", "curve"])
def test_whoever_takes_a_peers_port_for_a_while_does_not_cut_the_link(street, curve):
    """ZeroMQ itself never connects again after such a handshake."""
    cam0 = street.mailbox("cam0", to=("gateway",), plain=not curve)
    context = zmq.Context()
    impostor = context.socket(zmq.PULL)
    if not curve:
        impostor.setsockopt(zmq.CURVE_SERVER, 1)
        impostor.setsockopt(zmq.CURVE_SECRETKEY, street.pairs["stranger"].secret.encode())
    impostor.bind(f"tcp://127.0.0.1:{street.ports['gateway']}")
    watch = next(iter(cam0.transport._outboxes.values())).watch
    try:
        wait_until(lambda: (cam0.receive(0.01), watch.failed)[1] > 1)
        assert not cam0.send("gateway", Heartbeat())
        assert not impostor.poll(0)
    finally:
        impostor.close(linger=0)
        context.term()
    gateway = street.mailbox("gateway", plain=not curve)
    wait_until(reaches(cam0, "gateway", gateway))


def test_bytes_with_curve_are_those_that_the_kernel_counts(street):
    rng = np.random.default_rng(0)
    cam0, gateway = street.mailbox("cam0", to=("gateway",)), street.mailbox("gateway")
    wait_until(reaches(cam0, "gateway", gateway))
    for rows in (1, 5, 64):
        scores = Scores(
            range(rows),
            [0b11] * rows,
            rng.normal(size=(rows, 3)).astype(np.float32),
        )
        wait_until(lambda s=scores: cam0.send("gateway", s))
    sent = settled_account(cam0).kernel
    wait_until(lambda: (gateway.receive(0.01), gateway.kernel().agrees)[1])
    received = gateway.kernel()
    assert sent is not None
    assert sent.agrees
    assert sent.sent_zmtp == received.received_kernel > 0


def test_a_message_that_is_too_large_is_not_taken_in(street):
    gateway = street.mailbox("gateway")
    cam0 = street.mailbox("cam0", to=("gateway",))
    wait_until(reaches(cam0, "gateway", gateway))
    cam0.transport.send("gateway", bytes(CODEC.max_bytes + 10_000))
    wait_until(reaches(cam0, "gateway", gateway))
    assert gateway.ledger.events.total() == 0


def test_two_bundles_on_one_net_are_told_apart_by_name(street):
    collector = street.mailbox(COLLECTOR)
    other = Mailbox("cam0", Codec(TOPOLOGY, 7), street.mailbox("cam0", to=(COLLECTOR,)).transport)

    def refused() -> bool:
        other.send(COLLECTOR, Hello(BOOT))
        collector.receive(0.01)
        return collector.ledger.events["session"] > 0

    wait_until(refused)
    assert collector.foreign == {"cam0": other.session}


def test_a_failed_start_leaves_no_socket_open(street):
    gateway = street.mailbox("gateway")
    with pytest.raises(TransportError, match=r"in use.*wanted by gateway"):
        street.mailbox("gateway")
    cam0 = street.mailbox("cam0", to=("gateway",))
    wait_until(reaches(cam0, "gateway", gateway))


def connect_and_go(port: int, times: int) -> None:
    """So often, each time until the other side has said something."""
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), 10) as passer:
            passer.recv(1)


@pytest.mark.parametrize("curve", [False, True], ids=["plain", "curve"])
def test_connections_that_nobody_looks_at_neither_block_the_port_nor_closing(street, curve):
    """ZeroMQ's own monitor blocks all after 768."""
    gateway = street.mailbox("gateway", plain=not curve)
    connect_and_go(street.ports["gateway"], 1500)
    gateway.transport.close(linger_ms=100)
    with socket.socket() as late:
        assert late.connect_ex(("127.0.0.1", street.ports["gateway"])) == errno.ECONNREFUSED


def test_news_that_is_too_much_for_one_look_is_read_in_the_next(street):
    gateway = street.mailbox("gateway", plain=True)
    connect_and_go(street.ports["gateway"], 1500)
    watch = gateway.transport._watch

    def is_read() -> bool:
        gateway.receive(0.01)
        return not watch.is_behind and watch.connections.new == () and watch._monitor.poll(0) == 0

    wait_until(is_read)
    cam0 = street.mailbox("cam0", to=("gateway",), plain=True)
    wait_until(reaches(cam0, "gateway", gateway))
    assert len(watch.connections.new) == 0
    assert gateway.kernel().connections == 1


def test_a_crowd_that_says_nothing_keeps_nobody_with_a_key_out(street):
    gateway = street.mailbox("gateway")
    with ExitStack() as crowd:
        for _ in range(3 * HALF_OPEN):
            address = "127.0.0.1", street.ports["gateway"]
            silent = crowd.enter_context(socket.create_connection(address, 10))
            silent.sendall(b"\xff")
        connections = gateway.transport._watch.connections
        cam1 = street.mailbox("cam1", to=("gateway",))
        wait_until(reaches(cam1, "gateway", gateway))
        wait_until(lambda: (gateway.receive(0.01), len(connections.new) <= HALF_OPEN)[1])
        assert set(gateway.transport.events) == {"crowd"}


def test_closing_does_not_wait_for_what_zeromq_waits_for(street):
    """ZeroMQ's own end waits while a socket is open, or a name server does not answer."""
    transport = street.mailbox("cam0").transport
    with zmq.Context.shadow(transport._context.underlying).socket(zmq.PAIR) as another:
        transport.close(linger_ms=100)
        assert not another.closed
