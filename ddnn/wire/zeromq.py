"""The transport of real processes: one bound PULL socket a node, one PUSH to each peer.

The only file that imports zmq. Traps it knows:
* PUSH queues for a peer that is not there; with IMMEDIATE it takes nothing instead, so a
  restarted peer is not flooded with old messages.
* The default LINGER waits for ever at exit; here it is 0, or short where a last message counts.
* MAXMSGSIZE closes the connection of a peer that sends a larger message, before memory is taken.
* Descriptors are hidden but for the socket monitor's events; see `kernel`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import zmq
from zmq.utils.monitor import recv_monitor_message

from ddnn.errors import TransportError
from ddnn.wire.kernel import IS_COUNTED, PLAIN, Connections, Event, Handshake, Traffic, total

QUEUE_MESSAGES = 1000
"""High-water mark: messages queued on each side of a link before `send` returns False."""
RECONNECT_MS = 20
DRAIN_MESSAGES = 256
"""At most so many messages are handed over at once, so that ticks are never starved."""


WATCH_S = 0.1
"""How often the monitors are read: a lost connection stays half open for so long."""


class _Watch:
    """The connections of one socket, as its monitor announces them."""

    def __init__(self, socket: zmq.Socket[bytes], handshake: Handshake, *, bound: bool) -> None:
        opened = zmq.EVENT_CONNECTED | zmq.EVENT_ACCEPTED
        self._socket = socket
        self._monitor = socket.get_monitor_socket(opened | zmq.EVENT_DISCONNECTED)
        self.connections = Connections(handshake, bound=bound)

    def read(self) -> None:
        """Takes the news."""
        events = []
        try:
            while True:
                found = recv_monitor_message(self._monitor, zmq.NOBLOCK)
                opened = found["event"] != zmq.EVENT_DISCONNECTED
                events.append(Event(int(found["value"]), opened))
        except zmq.Again:
            self.connections.take(events)

    def close(self) -> None:
        """Before the socket is closed."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)


class ZmqTransport:
    """One node's sockets."""

    def __init__(
        self, name: str, *, endpoint: str, peers: Mapping[str, str], max_bytes: int
    ) -> None:
        """Binds `endpoint` and connects to every peer's.

        Raises TransportError naming the address and the node when the address cannot be had.
        """
        self._context = zmq.Context(io_threads=1)
        self._inbox = self._context.socket(zmq.PULL)
        self._inbox.setsockopt(zmq.LINGER, 0)
        self._inbox.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
        self._inbox.setsockopt(zmq.MAXMSGSIZE, max_bytes)
        self._outboxes: dict[str, zmq.Socket[bytes]] = {}
        self._watches: list[_Watch] = []
        self._watched_s = 0.0
        self._watch(self._inbox, bound=True)
        try:
            self._inbox.bind(endpoint)
            for peer, address in peers.items():
                self._outboxes[peer] = self._connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"{endpoint}: {error.strerror}, wanted by {name}") from error

    def _connect(self, address: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.PUSH)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._watch(socket, bound=False)
        socket.connect(address)
        return socket

    def _watch(self, socket: zmq.Socket[bytes], *, bound: bool) -> None:
        if IS_COUNTED:
            self._watches.append(_Watch(socket, PLAIN, bound=bound))

    def traffic(self) -> Traffic | None:
        """Bytes of messages, with framing, that the kernel counted; None where it does not."""
        if not IS_COUNTED:
            return None
        self._read_watches()
        return total([watch.connections.traffic for watch in self._watches])

    def _read_watches(self) -> None:
        self._watched_s = time.monotonic()
        for watch in self._watches:
            watch.read()

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport."""
        try:
            self._outboxes[peer].send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, timeout_s: float) -> list[bytes]:
        """See Transport. The wait is rounded up to whole milliseconds."""
        if time.monotonic() >= self._watched_s + WATCH_S:
            self._read_watches()
        messages: list[bytes] = []
        if not self._inbox.poll(max(0, math.ceil(timeout_s * 1000))):
            return messages
        try:
            while len(messages) < DRAIN_MESSAGES:
                messages.append(self._inbox.recv(zmq.NOBLOCK))
        except zmq.Again:
            pass
        return messages

    def close(self, linger_ms: int = 0) -> None:
        """See Transport. Waits up to linger_ms for what is still queued."""
        for watch in self._watches:
            watch.close()
        self._inbox.close(linger=0)
        for socket in self._outboxes.values():
            socket.close(linger=linger_ms)
        self._context.term()
        for watch in self._watches:
            watch.connections.close()
        self._watches.clear()
