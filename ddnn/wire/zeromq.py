"""The transport of real processes: one bound PULL socket a node, one PUSH to each peer.

With `sockets`, `inbox`, `monitor` and `doorman` the only file that imports zmq. Traps they know:
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
  again. Whoever takes a peer's port for a moment would cut the link for ever: `Outbox` goes on.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import zmq

from ddnn.errors import ConfigError, TransportError
from ddnn.wire.doorman import Doorman
from ddnn.wire.guard import Guard
from ddnn.wire.inbox import Inbox
from ddnn.wire.ipc import make_room, path_of
from ddnn.wire.kernel import CURVE, IS_COUNTED, PLAIN, Connections, Traffic, total
from ddnn.wire.keys import KeyPair, KeyRing
from ddnn.wire.ledger import SEAL_BYTES, zmtp_bytes
from ddnn.wire.monitor import Watch
from ddnn.wire.sockets import Outbox, inbox_socket, outbox_socket
from ddnn.wire.transport import Arrived

DRAIN_MESSAGES = 256
"""At most so many messages are handed over at once, so that ticks are never starved."""
CLOSE_S = 1.0
"""How long closing may take beside its linger; milliseconds, unless a name server is slow."""
WATCH_S = 0.1
"""How long after the last time to ask again, when turned, whether monitors have news."""
BUSY_S = 0.002
"""The guards look as soon as the process has used so much processor time since they did: what
arrives takes some, so that meanwhile a message without end grows by no more than some megabytes."""
LOOK_S = 1.0
"""How often the guards look at least."""
MAX_SOCKETS = 65_535
"""Of one process: ZeroMQ alone allows 1,023, of which each peer takes three."""


def make_key_pair() -> KeyPair:
    """A new pair of keys."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def check_pair(name: str, pair: KeyPair) -> None:
    """Raises ConfigError where the two keys of a pair do not belong together."""
    if zmq.curve_public(pair.secret.encode()) != pair.public.encode():
        raise ConfigError(f"{name}.key: public and secret do not belong together, want a pair")


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
    one part (`multipart`), and what the guards cut.
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
        self._keys = keys
        seal_bytes = 0 if keys is None else SEAL_BYTES
        self._shared = shared
        self._context = shared.context if shared is not None else zmq.Context(io_threads=1)
        self._outboxes: dict[str, Outbox] = {}
        self._ways: tuple[Outbox, ...] = ()
        self._watched_s = self._looked_s = self._used_s = -math.inf
        self._is_behind = False
        self._is_closed = False
        self._news = select.poll()
        self._told: dict[int, Watch] = {}  # by the descriptor that says that it has news
        try:
            paths = [path_of(address) for address in (endpoint, *peers.values())]
            self._is_counted = IS_COUNTED and not any(paths)
            self._doorman = None if keys is None else Doorman(self._context, keys.public)
            self._socket = inbox_socket(self._context, endpoint, max_bytes, keys)
            framed = zmtp_bytes(max_bytes + seal_bytes)
            self._watch = self._watch_over(self._socket, senders, framed, bound=True)
            self._inbox = Inbox(
                self._socket,
                self._watch.guard,
                self.events,
                doorman=self._doorman,
                seal_bytes=seal_bytes,
                at_once=at_once,
            )
            self._bind(endpoint)
            for peer, address in peers.items():
                socket = outbox_socket(self._context, peer, address, keys)
                watch = self._watch_over(socket, 1, 0, bound=False)
                self._outboxes[peer] = Outbox(socket, address, watch)
                self._outboxes[peer].connect()
            self._ways = tuple(self._outboxes.values())
        except TransportError as error:
            self.close()
            raise TransportError(f"{error}; wanted by {name}") from error
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"{endpoint}: {error.strerror}, wanted by {name}") from error

    def _bind(self, endpoint: str) -> None:
        self._endpoint, self._path = endpoint, path_of(endpoint)
        if self._path is not None:
            make_room(self._path)
            with suppress(zmq.ZMQError):  # where the system does not tell who connects
                self._socket.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
        self._socket.bind(endpoint)

    def _stay_reachable(self) -> None:
        """Whoever cleans the folder of ipc sockets leaves this one where nobody finds it: it is
        made anew as soon as its folder is there."""
        if self._path is not None and not self._path.exists() and self._path.parent.is_dir():
            with suppress(zmq.ZMQError):
                self._socket.unbind(self._endpoint)
            with suppress(zmq.ZMQError, TransportError):
                self._bind(self._endpoint)
            self._inbox.bound_anew()

    def _watch_over(
        self, socket: zmq.Socket[bytes], expected: int, message_bytes: int, *, bound: bool
    ) -> Watch:
        connections = Connections(PLAIN if self._keys is None else CURVE, bound=bound)
        guard = Guard(connections, self.events, expected=expected, message_bytes=message_bytes)
        watch = Watch(socket, connections, guard, is_counted=self._is_counted)
        self._told[watch.descriptor] = watch
        self._news.register(watch.descriptor, select.POLLIN)
        return watch

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Readable when something may have arrived; no longer once `receive` has taken it all."""
        return self._inbox.descriptors

    @property
    def is_drained(self) -> bool:
        """Whether the latest `receive` left nothing."""
        return self._inbox.is_drained

    def traffic(self) -> Traffic | None:
        """Bytes of messages, with framing, that the kernel counted; None where it does not.

        What messages of more than one part took is left out, as handshakes are.
        """
        if not self._is_counted:
            return None
        self._look_after(closely=True)
        counted = total([watch.connections.traffic for watch in self._watches])
        return counted._replace(received=counted.received - self._inbox.refused_bytes)

    @property
    def _watches(self) -> list[Watch]:
        return [self._watch, *(outbox.watch for outbox in self._ways)]

    def _look_after(self, *, closely: bool = False) -> None:
        """Monitors that have news are read, the door's count is carried over; `_look_closely`
        where there was news, or something to look at."""
        now_s, used_s = time.monotonic(), time.process_time()
        self._watched_s = now_s
        told = {self._told[descriptor] for descriptor, _ in self._news.poll(0)}
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
        self._inbox.wake_on(descriptor)

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
        """See Transport. The wait is rounded up to whole milliseconds, and LOOK_S at most."""
        if time.monotonic() >= self._watched_s + WATCH_S:
            self._look_after()
        guard = self._watch.guard
        wait_s = 0 if guard.is_suspicious else min(timeout_s, LOOK_S)
        return self._inbox.receive(max(0, math.ceil(wait_s * 1000)))

    def close(self, linger_ms: int = 0) -> None:
        """See Transport. Waits up to linger_ms for what is still queued, and no longer than
        CLOSE_S more whatever ZeroMQ's own thread is at."""
        if self._is_closed:
            return
        self._is_closed = True
        watches = list(self._told.values())
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
        self._socket.close(linger=0)
