"""The options of a node's sockets, and the way to one peer, which goes on where ZeroMQ gives up."""

from __future__ import annotations

import math

import zmq

from ddnn.wire.keys import KeyRing
from ddnn.wire.monitor import Watch

QUEUE_MESSAGES = 1000
"""High-water mark: messages queued on each side of a link before `send` returns False."""
RECONNECT_MS, RECONNECT_MOST_MS = 20, 200
"""Time before a lost connection is tried again: twice as long each time, up to the most. A node
that starts again after a long absence is reached so much later at most."""
LINK_MS = 3000
"""A connection on which nothing arrives for so long is given up and made anew. TCP alone waits
twice as long after each failure: a cut of a minute would last for another."""
CONNECT_MS = 1000
"""How long one attempt to connect may take; TCP alone takes two minutes."""
KEEPALIVE_S = 10
"""After so long a silence a bound socket asks whether the peer is still there."""
RETRY_S = 0.5
"""Time between two handshakes with a peer that fails them."""
HANDSHAKE_MS = 5000
"""How long a handshake may take; ZeroMQ alone gives it 30 s."""
HANDSHAKE_BYTES = 512
"""MAXMSGSIZE counts handshakes too, and the bytes that encryption adds."""

Context = zmq.Context[zmq.Socket[bytes]]


def _socket(context: Context, kind: int, address: str, max_bytes: int) -> zmq.Socket[bytes]:
    """What both have in common. max_bytes: of a message that comes in."""
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IPV6, "[" in address)
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes + HANDSHAKE_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    return socket


def inbox_socket(
    context: Context, endpoint: str, max_bytes: int, keys: KeyRing | None
) -> zmq.Socket[bytes]:
    """What others send to `endpoint`, once it is bound. max_bytes: of a message."""
    socket = _socket(context, zmq.PULL, endpoint, max_bytes)
    socket.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
    if keys is not None:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret.encode())
        socket.setsockopt(zmq.ZAP_DOMAIN, b"ddnn")
    return socket


def outbox_socket(
    context: Context, peer: str, address: str, keys: KeyRing | None
) -> zmq.Socket[bytes]:
    """Nothing but a handshake comes back: the other side gets no memory of this one."""
    socket = _socket(context, zmq.PUSH, address, 0)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MOST_MS)
    socket.setsockopt(zmq.TCP_MAXRT, LINK_MS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
    if keys is not None:
        socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret.encode())
        socket.setsockopt(zmq.CURVE_SERVERKEY, keys.public[peer].encode())
    return socket


class Outbox:
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
