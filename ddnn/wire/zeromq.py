"""The transport of real processes: one bound PULL socket a node, one PUSH to each peer.

The only file that imports zmq. Traps it knows:
* PUSH queues for a peer that is not there; with IMMEDIATE it takes nothing instead, so a
  restarted peer is not flooded with old messages.
* The default LINGER waits for ever at exit; here it is 0, or short where a last message counts.
* MAXMSGSIZE closes the connection of a peer that sends a larger message, before memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import zmq

from ddnn.errors import TransportError

QUEUE_MESSAGES = 1000
"""High-water mark: messages queued on each side of a link before `send` returns False."""
RECONNECT_MS = 20
DRAIN_MESSAGES = 256
"""At most so many messages are handed over at once, so that ticks are never starved."""


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
        socket.connect(address)
        return socket

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport."""
        try:
            self._outboxes[peer].send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self, timeout_s: float) -> list[bytes]:
        """See Transport. The wait is rounded up to whole milliseconds."""
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
        self._inbox.close(linger=0)
        for socket in self._outboxes.values():
            socket.close(linger=linger_ms)
        self._context.term()
