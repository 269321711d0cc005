"""The transport of real processes: one bound PULL socket a node, one PUSH to each peer.

The only file that imports zmq. Traps it knows:
* PUSH queues for a peer that is not there; with IMMEDIATE it takes nothing instead, so a
  restarted peer is not flooded with old messages.
* The default LINGER waits for ever at exit; here it is 0, or short where a last message counts.
* MAXMSGSIZE closes the connection of a peer that sends a larger message, before memory is taken.
* Descriptors are hidden but for the socket monitor's events; see `kernel`.
* A monitor whose pipe is full blocks ZeroMQ's thread, which then holds the lock that closing
  wants: 800 connections while nobody reads would hang the process. Its pipe here has no limit.
  What was connected and is gone costs 11 KB until the socket is next asked.
* ZeroMQ's thread looks names up, which may take a minute: nobody waits for it longer than agreed.
* With CURVE alone anyone who has a node's public key may connect: `_Doorman` lets in only the
  topology's own, and tells which of them sent a message.
* A link that was cut comes back when TCP tries again, after ever longer pauses; ZeroMQ's own
  heartbeats would help but cost bytes. TCP_MAXRT and CONNECT_TIMEOUT do without.
* After a handshake that failed for good (another key, another protocol) ZeroMQ never connects
  again. Whoever takes a peer's port for a moment would cut the link for ever: `_Outbox` goes on.
"""

from __future__ import annotations

import math
import selectors
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from ddnn.errors import ConfigError, TransportError
from ddnn.wire.kernel import (
    CURVE,
    IS_COUNTED,
    PLAIN,
    Connections,
    Event,
    Handshake,
    Traffic,
    total,
)
from ddnn.wire.keys import KeyPair, KeyRing
from ddnn.wire.transport import Arrived

QUEUE_MESSAGES = 1000
"""High-water mark: messages queued on each side of a link before `send` returns False."""
RECONNECT_MS = 20
LINK_MS = 3000
"""A connection on which nothing arrives for so long is given up and made anew. TCP alone waits
twice as long after each failure: a cut of a minute would last for another."""
CONNECT_MS = 1000
"""How long one attempt to connect may take; TCP alone takes two minutes."""
KEEPALIVE_S = 10
"""After so long a silence a bound socket asks whether the peer is still there."""
RETRY_S = 0.5
"""Time between two handshakes with a peer that fails them."""
DRAIN_MESSAGES = 256
"""At most so many messages are handed over at once, so that ticks are never starved."""
CLOSE_S = 1.0
"""How long closing may take beside its linger; milliseconds, unless a name server is slow."""
NEWS = 1000
"""At most so many of a monitor's events are read at once."""
WATCH_S = 0.1
"""How often the monitors are read: a lost connection stays half open for so long."""
HANDSHAKE_BYTES = 512
"""MAXMSGSIZE counts handshakes too, and the bytes that encryption adds."""

_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_WATCHED = zmq.EVENT_CONNECTED | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"


def make_key_pair() -> KeyPair:
    """A new pair of keys."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def check_pair(name: str, pair: KeyPair) -> None:
    """Raises ConfigError where the two keys of a pair do not belong together."""
    if zmq.curve_public(pair.secret.encode()) != pair.public.encode():
        raise ConfigError(f"{name}.key: public and secret do not belong together, want a pair")


def _monitor(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    """What tells of the socket's connections, however late it is read."""
    address = f"inproc://news-{id(socket)}"
    socket.monitor(address, _WATCHED | _FAILED)
    monitor: zmq.Socket[bytes] = socket.context.socket(zmq.PAIR)
    monitor.setsockopt(zmq.RCVHWM, 0)
    monitor.connect(address)
    return monitor


class _Watch:
    """The connections of one socket, as its monitor announces them."""

    def __init__(self, socket: zmq.Socket[bytes], handshake: Handshake, *, bound: bool) -> None:
        self._socket = socket
        self._monitor = _monitor(socket)
        self.connections = Connections(handshake, bound=bound)
        self.failed = 0
        self.read()

    @property
    def descriptor(self) -> int:
        """Readable when there is news since the last `read`, of which there must have been one."""
        return int(self._monitor.fileno())

    def read(self) -> None:
        """Takes the news, or the first of very much."""
        events = []
        with suppress(zmq.Again):
            for _ in range(NEWS):
                found = recv_monitor_message(self._monitor, zmq.NOBLOCK)
                if found["event"] & _FAILED:
                    self.failed += 1
                else:
                    opened = found["event"] != zmq.EVENT_DISCONNECTED
                    events.append(Event(int(found["value"]), opened))
        if IS_COUNTED:
            self.connections.take(events)

    def close(self) -> None:
        """Before the socket is closed."""
        self._socket.monitor(None, 0)
        self._monitor.close(linger=0)


class _Outbox:
    """The way to one peer."""

    def __init__(self, socket: zmq.Socket[bytes], address: str, handshake: Handshake) -> None:
        self._socket = socket
        self._address = address
        self._seen = 0
        self._retry_s = math.inf
        self.watch = _Watch(socket, handshake, bound=False)
        self.send = socket.send

    def connect(self) -> None:
        """Begins; goes on by itself until `close`."""
        self._socket.connect(self._address)

    def look_after(self, now_s: float) -> None:
        """Starts anew, after a pause, where a handshake failed."""
        if self.watch.failed > self._seen:
            self._seen = self.watch.failed
            self._retry_s = min(self._retry_s, now_s + RETRY_S)
        if now_s >= self._retry_s:
            self._retry_s = math.inf
            self._socket.disconnect(self._address)
            self._socket.connect(self._address)

    def close(self, linger_ms: int) -> None:
        self.watch.close()
        self._socket.close(linger=linger_ms)


class _Doorman:
    """Answers ZeroMQ's question who may connect (ZAP, rfc.zeromq.org/spec/27).

    It is asked in the node's own loop, so that no thread is needed.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], public: Mapping[str, str]) -> None:
        self._names = {z85.decode(key): name.encode() for name, key in public.items()}
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(_ZAP_ENDPOINT)
        self.refused = 0

    def answer(self) -> None:
        """Serves those who wait at the door. Who enters is named in each of its messages."""
        try:
            while True:
                _, request, _, _, _, mechanism, *keys = self.socket.recv_multipart(zmq.NOBLOCK)
                name = self._names.get(keys[0]) if mechanism == b"CURVE" and keys else None
                status = (b"400", b"unknown key", b"") if name is None else (b"200", b"OK", name)
                self.refused += name is None
                self.socket.send_multipart([b"1.0", request, *status, b""])
        except zmq.Again:
            pass


class ZmqTransport:
    """One node's sockets.

    events: who was refused at the door (`stranger`), for the node's account.
    """

    def __init__(
        self,
        name: str,
        *,
        endpoint: str,
        peers: Mapping[str, str],
        max_bytes: int,
        keys: KeyRing | None = None,
    ) -> None:
        """Binds `endpoint` and connects to every peer's. keys: None, nothing is encrypted.

        Raises TransportError naming the address and the node when the address cannot be had.
        """
        self.events: Counter[str] = Counter()
        self._keys = keys
        self._handshake = PLAIN if keys is None else CURVE
        self._context = zmq.Context(io_threads=1)
        self._outboxes: dict[str, _Outbox] = {}
        self._watched_s = 0.0
        self._doorman = None if keys is None else _Doorman(self._context, keys.public)
        self._inbox = self._make_inbox(endpoint, max_bytes + HANDSHAKE_BYTES)
        self._inbox_watch = _Watch(self._inbox, self._handshake, bound=True)
        self._news = selectors.DefaultSelector()
        self._news.register(self._inbox_watch.descriptor, selectors.EVENT_READ, self._inbox_watch)
        self._poller = zmq.Poller()
        self._poller.register(self._inbox, zmq.POLLIN)
        if self._doorman is not None:
            self._poller.register(self._doorman.socket, zmq.POLLIN)
        self._take = self._take_plain if keys is None else self._take_named
        try:
            self._inbox.bind(endpoint)
            for peer, address in peers.items():
                outbox = self._outboxes[peer] = self._make_outbox(peer, address)
                watch = outbox.watch
                self._news.register(watch.descriptor, selectors.EVENT_READ, watch)
                outbox.connect()
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"{endpoint}: {error.strerror}, wanted by {name}") from error

    def _make_inbox(self, endpoint: str, max_bytes: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.PULL)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, "[" in endpoint)
        socket.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
        socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_S)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
        if self._keys is not None:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.own.secret.encode())
            socket.setsockopt(zmq.ZAP_DOMAIN, b"ddnn")
        return socket

    def _make_outbox(self, peer: str, address: str) -> _Outbox:
        socket = self._context.socket(zmq.PUSH)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, "[" in address)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.TCP_MAXRT, LINK_MS)
        socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
        if self._keys is not None:
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self._keys.own.public.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.own.secret.encode())
            socket.setsockopt(zmq.CURVE_SERVERKEY, self._keys.public[peer].encode())
        return _Outbox(socket, address, self._handshake)

    def traffic(self) -> Traffic | None:
        """Bytes of messages, with framing, that the kernel counted; None where it does not."""
        if not IS_COUNTED:
            return None
        self._look_after()
        return total([watch.connections.traffic for watch in self._watches])

    @property
    def _watches(self) -> list[_Watch]:
        return [self._inbox_watch, *(outbox.watch for outbox in self._outboxes.values())]

    def _look_after(self) -> None:
        """Monitors are read, lost causes tried again, the door's count carried over."""
        self._watched_s = time.monotonic()
        for key, _ in self._news.select(0):
            key.data.read()
        for outbox in self._outboxes.values():
            outbox.look_after(self._watched_s)
        if self._doorman is not None and self._doorman.refused:
            self.events["stranger"] = self._doorman.refused

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport."""
        try:
            self._outboxes[peer].send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, timeout_s: float) -> list[Arrived]:
        """See Transport. The wait is rounded up to whole milliseconds."""
        if time.monotonic() >= self._watched_s + WATCH_S:
            self._look_after()
        ready = self._poller.poll(max(0, math.ceil(timeout_s * 1000)))
        messages: list[Arrived] = []
        while ready and len(messages) < DRAIN_MESSAGES:
            for socket, _ in ready:
                if socket is self._inbox:
                    messages.append(self._take())
                elif self._doorman is not None:
                    self._doorman.answer()
            ready = self._poller.poll(0)  # a third of what it costs to be told by an exception
        return messages

    def _take_plain(self) -> Arrived:
        return self._inbox.recv(zmq.NOBLOCK), None

    def _take_named(self) -> Arrived:
        part = self._inbox.recv(zmq.NOBLOCK, copy=False)
        name = part.get("User-Id")
        return part.bytes, name if isinstance(name, str) else ""

    def close(self, linger_ms: int = 0) -> None:
        """See Transport. Waits up to linger_ms for what is still queued, and no longer than
        CLOSE_S more whatever ZeroMQ's own thread is at."""
        if self._inbox.closed:
            return
        watches = self._watches
        self._news.close()
        self._inbox_watch.close()
        self._inbox.close(linger=0)
        for outbox in self._outboxes.values():
            outbox.close(linger_ms)
        if self._doorman is not None:
            self._doorman.socket.close(linger=0)
        ending = threading.Thread(target=self._context.term, daemon=True)
        ending.start()
        ending.join(linger_ms / 1000 + CLOSE_S)
        for watch in watches:
            watch.connections.close()
        self._outboxes.clear()
