"""The transport of real processes: one bound PULL socket a node, one PUSH to each peer.

With `monitor` and `doorman` the only file that imports zmq. Traps it knows:
* PUSH queues for a peer that is not there; with IMMEDIATE it takes nothing instead, so a
  restarted peer is not flooded with old messages.
* The default LINGER waits for ever at exit; here it is 0, or short where a last message counts.
* MAXMSGSIZE closes the connection of a peer that sends a larger part, before memory is taken. It
  bounds neither how many parts there are nor how many connections: see `guard`.
* A PUSH socket takes in what the other side sends, and keeps it: RCVHWM, MAXMSGSIZE and the guard.
* Descriptors are hidden but for the socket monitor's events; see `kernel`.
* ZeroMQ's thread looks names up, which may take a minute: nobody waits for it longer than agreed.
* With CURVE alone anyone who has a node's public key may connect: `doorman` lets in only the
  topology's own, and tells which of them sent a message.
* A link that was cut comes back when TCP tries again, after ever longer pauses; ZeroMQ's own
  heartbeats would help but cost bytes. TCP_MAXRT and CONNECT_TIMEOUT do without.
* After a handshake that failed for good (another key, another protocol) ZeroMQ never connects
  again. Whoever takes a peer's port for a moment would cut the link for ever: `_Outbox` goes on.
"""

from __future__ import annotations

import math
import os
import selectors
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import zmq

from ddnn.errors import ConfigError, TransportError
from ddnn.wire.doorman import Doorman
from ddnn.wire.guard import Guard
from ddnn.wire.ipc import make_room, path_of
from ddnn.wire.kernel import CURVE, IS_COUNTED, PLAIN, Connections, Traffic, total
from ddnn.wire.keys import KeyPair, KeyRing
from ddnn.wire.ledger import SEAL_BYTES, zmtp_bytes
from ddnn.wire.monitor import Watch
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
HANDSHAKE_MS = 5000
"""How long a handshake may take; ZeroMQ alone gives it 30 s."""
WATCH_S = 0.1
"""How often to ask whether monitors have news: a lost connection stays half open for so long."""
BUSY_S = 0.002
"""The guards look as soon as the process has used so much processor time since they did: what
arrives takes some, so that meanwhile a message without end grows by no more than some megabytes."""
LOOK_S = 1.0
"""How often the guards look at least."""
MAX_SOCKETS = 65_535
"""Of one process: ZeroMQ alone allows 1,023, of which each peer takes three."""
WAKING_BYTES = 4096
HANDSHAKE_BYTES = 512
"""MAXMSGSIZE counts handshakes too, and the bytes that encryption adds."""


def make_key_pair() -> KeyPair:
    """A new pair of keys."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def check_pair(name: str, pair: KeyPair) -> None:
    """Raises ConfigError where the two keys of a pair do not belong together."""
    if zmq.curve_public(pair.secret.encode()) != pair.public.encode():
        raise ConfigError(f"{name}.key: public and secret do not belong together, want a pair")


class _Outbox:
    """The way to one peer."""

    def __init__(self, socket: zmq.Socket[bytes], address: str, watch: Watch) -> None:
        self._socket = socket
        self._address = address
        self._seen = 0
        self._retry_s = math.inf
        self.watch = watch
        self.send = socket.send

    def connect(self) -> None:
        """Begins; goes on by itself until `close`."""
        self._socket.connect(self._address)

    @property
    def is_failing(self) -> bool:
        """It is to start anew after a pause."""
        return self._retry_s < math.inf

    def close(self, linger_ms: int) -> None:
        """What is queued is sent within linger_ms, or lost."""
        self._socket.close(linger=linger_ms)

    def look_after(self, now_s: float) -> None:
        """Starts anew, after a pause, where a handshake failed; takes nothing in."""
        if self.watch.failed > self._seen:
            self._seen = self.watch.failed
            self._retry_s = min(self._retry_s, now_s + RETRY_S)
        if now_s >= self._retry_s:
            self._retry_s = math.inf
            self._socket.disconnect(self._address)
            self._socket.connect(self._address)
        self.watch.look()
        self.watch.guard.settle(is_empty=True)


class Shared:
    """ZeroMQ's threads, shared by the transports of one process."""

    def __init__(self) -> None:
        self.context = zmq.Context(io_threads=1)
        self.context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)

    def close(self, linger_ms: int = 0) -> None:
        """After the transports, as ZmqTransport.close."""
        _end(self.context, linger_ms)


def _end(context: zmq.Context[zmq.Socket[bytes]], linger_ms: int) -> None:
    ending = threading.Thread(target=context.destroy, args=(linger_ms,), daemon=True)
    with suppress(RuntimeError):  # no thread can be had: the process's end closes all
        ending.start()
        ending.join(linger_ms / 1000 + CLOSE_S)


class ZmqTransport:
    """One node's sockets.

    events: for the node's account, who was refused at the door (`stranger`), messages of more than
    one part (`multipart`), and what the guards cut. is_drained: the latest `receive` left nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        endpoint: str,
        peers: Mapping[str, str],
        max_bytes: int,
        senders: int = 0,
        keys: KeyRing | None = None,
        shared: Shared | None = None,
        at_once: int = DRAIN_MESSAGES,
    ) -> None:
        """Binds `endpoint` and connects to every peer's. senders: how many are meant to connect
        here. keys: None, nothing is encrypted. shared: with the other nodes of this process; not
        with keys, since there is one door to what is shared. at_once: messages handed over at
        most.

        Raises TransportError naming the address and the node when the address cannot be had.
        """
        self.events: Counter[str] = Counter()
        self.is_drained = True
        self._at_once = at_once
        self._keys = keys
        self._seal_bytes = 0 if keys is None else SEAL_BYTES
        self._shared = shared
        self._context = shared.context if shared is not None else zmq.Context(io_threads=1)
        self._outboxes: dict[str, _Outbox] = {}
        self._ways: tuple[_Outbox, ...] = ()
        self._watched_s = self._looked_s = self._used_s = -math.inf
        self._is_behind = False
        self._wait_ms = -1
        self._polls = keys is not None
        self._refused_bytes = 0
        self._is_closed = False
        self._wakes: list[int] = []
        self._news = selectors.DefaultSelector()
        self._poller = zmq.Poller()
        try:
            paths = [path_of(address) for address in (endpoint, *peers.values())]
            self._is_counted = IS_COUNTED and not any(paths)
            self._doorman = None if keys is None else Doorman(self._context, keys.public)
            self._inbox = self._make_inbox(endpoint, max_bytes + HANDSHAKE_BYTES)
            framed = self._framed_bytes(max_bytes)
            self._watch = self._watch_over(self._inbox, senders, framed, bound=True)
            self._bind(endpoint)
            for peer, address in peers.items():
                self._outboxes[peer] = self._make_outbox(peer, address)
                self._outboxes[peer].connect()
            self._ways = tuple(self._outboxes.values())
        except TransportError as error:
            self.close()
            raise TransportError(f"{error}; wanted by {name}") from error
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"{endpoint}: {error.strerror}, wanted by {name}") from error
        self._poller.register(self._inbox, zmq.POLLIN)
        if self._doorman is not None:
            self._poller.register(self._doorman.socket, zmq.POLLIN)

    def _make_inbox(self, endpoint: str, max_bytes: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.PULL)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, "[" in endpoint)
        socket.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
        socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_S)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
        if self._keys is not None:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.own.secret.encode())
            socket.setsockopt(zmq.ZAP_DOMAIN, b"ddnn")
        return socket

    def _bind(self, endpoint: str) -> None:
        self._endpoint, self._path = endpoint, path_of(endpoint)
        if self._path is not None:
            make_room(self._path)
            with suppress(zmq.ZMQError):  # where the system does not tell who connects
                self._inbox.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
        self._inbox.bind(endpoint)

    def _stay_reachable(self) -> None:
        """Whoever cleans the folder of ipc sockets leaves this one where nobody finds it: it is
        made anew as soon as its folder is there."""
        if self._path is not None and not self._path.exists() and self._path.parent.is_dir():
            with suppress(zmq.ZMQError):
                self._inbox.unbind(self._endpoint)
            with suppress(zmq.ZMQError, TransportError):
                self._bind(self._endpoint)

    def _make_outbox(self, peer: str, address: str) -> _Outbox:
        """Nothing but a handshake comes back: the other side gets no memory of this one."""
        socket = self._context.socket(zmq.PUSH)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, "[" in address)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        socket.setsockopt(zmq.RCVHWM, 1)
        socket.setsockopt(zmq.MAXMSGSIZE, HANDSHAKE_BYTES)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.TCP_MAXRT, LINK_MS)
        socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
        if self._keys is not None:
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self._keys.own.public.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.own.secret.encode())
            socket.setsockopt(zmq.CURVE_SERVERKEY, self._keys.public[peer].encode())
        return _Outbox(socket, address, self._watch_over(socket, 1, 0, bound=False))

    def _watch_over(
        self, socket: zmq.Socket[bytes], expected: int, message_bytes: int, *, bound: bool
    ) -> Watch:
        connections = Connections(PLAIN if self._keys is None else CURVE, bound=bound)
        guard = Guard(connections, self.events, expected=expected, message_bytes=message_bytes)
        watch = Watch(socket, connections, guard, is_counted=self._is_counted)
        self._news.register(watch.descriptor, selectors.EVENT_READ, watch)
        return watch

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Readable when something may have arrived; no longer once `receive` has taken it all."""
        sockets = [self._inbox] + ([] if self._doorman is None else [self._doorman.socket])
        return (*self._wakes, *(int(socket.getsockopt(zmq.FD)) for socket in sockets))

    def traffic(self) -> Traffic | None:
        """Bytes of messages, with framing, that the kernel counted; None where it does not.

        What messages of more than one part took is left out, as handshakes are.
        """
        if not self._is_counted:
            return None
        self._look_after(closely=True)
        counted = total([watch.connections.traffic for watch in self._watches])
        return counted._replace(received=counted.received - self._refused_bytes)

    @property
    def _watches(self) -> list[Watch]:
        return [self._watch, *(outbox.watch for outbox in self._ways)]

    def _look_after(self, *, closely: bool = False) -> None:
        """Monitors that have news are read, the door's count is carried over; `_look_closely`
        where there was news, or something to look at."""
        now_s, used_s = time.monotonic(), time.process_time()
        self._watched_s = now_s
        told: set[Watch] = {key.data for key, _ in self._news.select(0)}
        if self._is_behind:
            told |= {watch for watch in self._watches if watch.is_behind}
        for watch in told:
            watch.read()
        is_due = used_s >= self._used_s + BUSY_S or now_s >= self._looked_s + LOOK_S
        if closely or told or is_due or any(outbox.is_failing for outbox in self._ways):
            self._looked_s, self._used_s = now_s, used_s
            self._look_closely(now_s)
        if self._doorman is not None and self._doorman.refused:
            self.events["stranger"] += self._doorman.refused
            self._doorman.refused = 0

    def wake_on(self, descriptor: int) -> None:
        """From now on `receive` also returns when something can be read there; it is read."""
        self._poller.register(descriptor, zmq.POLLIN)
        self._polls = True
        self._wakes.append(descriptor)

    def _look_closely(self, now_s: float) -> None:
        """Guards look, lost causes are tried again."""
        self._watch.look()
        self._stay_reachable()
        for outbox in self._ways:
            outbox.look_after(now_s)
        self._is_behind = any(watch.is_behind for watch in self._watches)
        if self._is_behind:
            self._watched_s = -math.inf

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport."""
        try:
            self._outboxes[peer].send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, timeout_s: float) -> list[Arrived]:
        """See Transport. The wait is rounded up to whole milliseconds, and WATCH_S at most."""
        if time.monotonic() >= self._watched_s + WATCH_S:
            self._look_after()
        guard = self._watch.guard
        wait_s = 0 if guard.is_suspicious else min(timeout_s, WATCH_S)
        wait_ms = max(0, math.ceil(wait_s * 1000))
        messages: list[Arrived] = []
        drain = self._poll_and_drain if self._polls else self._drain
        is_empty = drain(messages, wait_ms)
        guard.settle(is_empty=is_empty)
        self.is_drained = is_empty
        return messages

    def _drain(self, messages: list[Arrived], wait_ms: int) -> bool:
        """Takes what is there; returns whether nothing is left. To wait in `recv` costs a third of
        the system calls of a poll before it."""
        inbox = self._inbox
        if wait_ms != self._wait_ms:
            self._wait_ms = wait_ms
            inbox.setsockopt(zmq.RCVTIMEO, wait_ms)
        try:
            self._take(messages, inbox.recv(0, copy=False))
        except zmq.Again:
            return True
        for _ in range(self._at_once - 1):
            if not int(inbox.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return True
            self._take(messages, inbox.recv(zmq.NOBLOCK, copy=False))
        return False

    def _poll_and_drain(self, messages: list[Arrived], wait_ms: int) -> bool:
        """As `_drain`, where there is more to wait for than messages."""
        ready = self._poller.poll(wait_ms)
        for _ in range(self._at_once):
            if not ready:
                break
            for socket, _ in ready:
                if socket is self._inbox:
                    self._take(messages, self._inbox.recv(zmq.NOBLOCK, copy=False))
                elif isinstance(socket, int):  # a descriptor
                    os.read(socket, WAKING_BYTES)
                elif self._doorman is not None:
                    self._doorman.answer()
            ready = self._poller.poll(0)  # a third of what it costs to be told by an exception
        return all(socket is not self._inbox for socket, _ in ready)

    def _take(self, messages: list[Arrived], first: zmq.Frame) -> None:
        """A message, if it is of one part."""
        data = first.bytes
        framed_bytes = self._framed_bytes(len(data))
        if first.more:
            self._refuse_parts(first, framed_bytes)
            return
        self._watch.guard.note(int(first.get(zmq.SRCFD)), framed_bytes)
        messages.append((data, None if self._keys is None else _sender(first)))

    def _refuse_parts(self, first: zmq.Frame, framed_bytes: int) -> None:
        part = first
        while part.more:
            part = self._inbox.recv(zmq.NOBLOCK, copy=False)
            framed_bytes += self._framed_bytes(len(part))
        self._watch.guard.note(int(first.get(zmq.SRCFD)), framed_bytes)
        self.events["multipart"] += 1
        self._refused_bytes += framed_bytes

    def _framed_bytes(self, part_bytes: int) -> int:
        return zmtp_bytes(part_bytes + self._seal_bytes)

    def close(self, linger_ms: int = 0) -> None:
        """See Transport. Waits up to linger_ms for what is still queued, and no longer than
        CLOSE_S more whatever ZeroMQ's own thread is at."""
        if self._is_closed:
            return
        self._is_closed = True
        watches: list[Watch] = [key.data for key in self._news.get_map().values()]
        self._news.close()
        for watch in watches:
            watch.close()
        if self._shared is None:
            _end(self._context, linger_ms)
        else:
            self._close_own(linger_ms)
        for watch in watches:
            watch.connections.close()

    def _close_own(self, linger_ms: int) -> None:
        """ZeroMQ sends what is queued until the context ends, as long as linger_ms at most."""
        for outbox in self._outboxes.values():
            outbox.close(linger_ms)
        self._inbox.close(linger=0)


def _sender(part: zmq.Frame) -> str:
    """By the key of its connection."""
    name = part.get("User-Id")
    return name if isinstance(name, str) else ""
