"""What the Linux kernel counted on TCP connections, to hold the ledger against.

ZeroMQ hides its descriptors. The events CONNECTED and ACCEPTED of a socket monitor carry the
number of a new connection's descriptor, DISCONNECTED the number of a closed one. Each is
duplicated here when it is announced: the copy still tells the count after ZeroMQ has closed its
own, and the number cannot be taken over by another connection meanwhile. The copies keep a lost
connection half open, so events must be read often; `Connections.close` gives all of them back.

Traps: `tcpi_bytes_sent` counts what was sent again, `tcpi_bytes_received` the peer's FIN.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_STATE, _RECEIVED, _SENT, _RESENT = 0, 128, 200, 208  # offsets in struct tcp_info, linux/tcp.h
_U64 = struct.Struct("<Q" if sys.byteorder == "little" else ">Q")
_AFTER_FIN = frozenset({8, 9, 11})  # CLOSE_WAIT, LAST_ACK, CLOSING of net/tcp_states.h


def tells_bytes(info: bytes) -> bool:
    """Whether this TCP_INFO is long enough to count: Linux before 4.19 gives 192 bytes."""
    return len(info) >= _RESENT + _U64.size


def _tcp_info(connection: socket.socket) -> bytes:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)


def _is_counted() -> bool:
    if sys.platform != "linux":
        return False
    with socket.socket() as unconnected:
        return tells_bytes(_tcp_info(unconnected))


IS_COUNTED = _is_counted()
"""Whether the system counts bytes in TCP_INFO: Linux since 4.19."""


class Traffic(NamedTuple):
    """Bytes of one connection, or summed over some.

    unread: connections that went before their count could be read.
    """

    sent: int = 0
    received: int = 0
    connections: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Handshake:
    """What either end of a connection sends before the first message (ZMTP 3.1, CurveZMQ).

    A greeting of 64 bytes; then, framed, READY each way (26 bytes with PUSH or PULL as socket
    type), or for CURVE HELLO 200 and INITIATE 277 one way, WELCOME 168 and READY 50 back.
    """

    connecting: int
    bound: int


PLAIN = Handshake(connecting=64 + 2 + 26, bound=64 + 2 + 26)
CURVE = Handshake(connecting=64 + 2 + 200 + 9 + 277, bound=64 + 2 + 168 + 2 + 50)


class Event(NamedTuple):
    """A connection came (`opened`) or went."""

    descriptor: int
    opened: bool


class Connections:
    """The connections of one ZeroMQ socket, open or gone, their handshakes left out."""

    def __init__(self, handshake: Handshake, *, bound: bool) -> None:
        ends = handshake.connecting, handshake.bound
        self._handshake = Traffic(*(reversed(ends) if bound else ends))
        self._copies: dict[int, int] = {}
        self._gone = Traffic()

    def take(self, events: Sequence[Event]) -> None:
        """The monitor's news, in order. A descriptor that is gone by then tells nothing."""
        for place, event in enumerate(events):
            if not event.opened:
                self._forget(event.descriptor)
            elif any(later.descriptor == event.descriptor for later in events[place + 1 :]):
                self._add(Traffic(unread=1))
            else:
                self._open(event.descriptor)

    @property
    def traffic(self) -> Traffic:
        """All messages with their framing, so far."""
        return total([self._gone, *(self._messages(copy) for copy in self._copies.values())])

    def close(self) -> None:
        """Gives the descriptors back."""
        for descriptor in list(self._copies):
            self._forget(descriptor)

    def _open(self, descriptor: int) -> None:
        self._forget(descriptor)
        try:
            self._copies[descriptor] = os.dup(descriptor)
        except OSError:
            self._add(Traffic(unread=1))

    def _forget(self, descriptor: int) -> None:
        copy = self._copies.pop(descriptor, None)
        if copy is not None:
            self._add(self._messages(copy))
            os.close(copy)

    def _add(self, traffic: Traffic) -> None:
        self._gone = total([self._gone, traffic])

    def _messages(self, descriptor: int) -> Traffic:
        """Nothing before the handshake is done."""
        try:
            counted = tcp_traffic(descriptor)
        except OSError:
            return Traffic(unread=1)
        sent = counted.sent - self._handshake.sent
        received = counted.received - self._handshake.received
        return Traffic(sent, received, 1) if min(sent, received) >= 0 else Traffic()


def tcp_traffic(descriptor: int) -> Traffic:
    """Bytes of a TCP connection that reached the wire once, and that arrived in order."""
    connection = socket.socket(fileno=descriptor)
    try:
        info = _tcp_info(connection)
    finally:
        connection.detach()  # the descriptor stays open
    sent, resent, received = (
        _U64.unpack_from(info, offset)[0] for offset in (_SENT, _RESENT, _RECEIVED)
    )
    return Traffic(sent - resent, received - (info[_STATE] in _AFTER_FIN))


def total(parts: Sequence[Traffic]) -> Traffic:
    """The sum."""
    return Traffic(*map(sum, zip(*parts, strict=True))) if parts else Traffic()
