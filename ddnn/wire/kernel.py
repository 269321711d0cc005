"""What the Linux kernel counted on TCP connections, to hold the ledger against.

ZeroMQ hides its descriptors. The events CONNECTED and ACCEPTED of a socket monitor carry the
number of a new connection's descriptor, DISCONNECTED the number of a closed one. Each is
duplicated here once its handshake is done, so that connections which say nothing cost nothing:
the copy still tells the count after ZeroMQ has closed its own, and the number cannot be taken
over by another connection meanwhile. The copies keep a lost connection half open, so events must
be read often; `Connections.close` gives all of them back.

Traps: `tcpi_bytes_sent` counts what was sent again, `tcpi_bytes_received` the peer's FIN. The
event HANDSHAKE_SUCCEEDED does not say whose. Sockets of one machine (`ipc`) count no bytes.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
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


class Change(Enum):
    """What happens to a connection."""

    CAME = "came"
    SHOOK_HANDS = "shook hands"
    WENT = "went"


class Event(NamedTuple):
    """A socket monitor's news. descriptor: None for SHOOK_HANDS."""

    change: Change
    descriptor: int | None = None


class Connections:
    """The connections of one ZeroMQ socket, open or gone, their handshakes left out."""

    def __init__(self, handshake: Handshake, *, bound: bool) -> None:
        ends = handshake.connecting, handshake.bound
        self._handshake = Traffic(*(reversed(ends) if bound else ends))
        self._new: dict[int, None] = {}
        self._copies: dict[int, socket.socket] = {}
        self._gone = Traffic()
        self._unseen = 0  # handshakes that were announced, less those that were seen

    @property
    def new(self) -> tuple[int, ...]:
        """Descriptors whose handshake is not done, oldest first."""
        return tuple(self._new)

    @property
    def open(self) -> tuple[int, ...]:
        """Descriptors whose handshake is done, oldest first."""
        return tuple(self._copies)

    def take(self, events: Sequence[Event]) -> None:
        """The monitor's news, in order. A descriptor that is gone by then tells nothing."""
        for event in events:
            if event.descriptor is None:
                self._unseen += 1
            else:
                self._forget(event.descriptor)
                if event.change is Change.CAME:
                    self._new[event.descriptor] = None
        for descriptor in self.new:
            self._copy(descriptor)
        if self._unseen > 0 and not self._new:
            self._add(Traffic(unread=self._unseen))
            self._unseen = 0

    @property
    def traffic(self) -> Traffic:
        """All messages with their framing, so far."""
        return total([self._gone, *map(self._messages, self._copies.values())])

    def read_bytes(self) -> dict[int, int]:
        """Of messages with their framing, by open descriptor: what ZeroMQ has read at least."""
        found = {}
        for descriptor, copy in self._copies.items():
            with suppress(OSError):
                found[descriptor] = self._messages(copy).received - _waiting_bytes(copy)
        return found

    def cut(self, descriptor: int, whole: int | None = None) -> None:
        """Ends a connection; ZeroMQ notices, and tells so later. whole: bytes of whole messages
        that came from it, the rest does not count; None: all that came counts."""
        copy = self._copies.get(descriptor)
        with suppress(OSError):
            if copy is not None:
                copy.shutdown(socket.SHUT_RDWR)
            elif not self._has_shaken_hands(descriptor):
                with _borrowed(descriptor) as connection:
                    connection.shutdown(socket.SHUT_RDWR)
        if copy is not None and whole is not None:
            self._add(self._messages(copy)._replace(received=whole))
            self._copies.pop(descriptor).close()

    def close(self) -> None:
        """Gives the descriptors back."""
        for descriptor in self.open:
            self._forget(descriptor)

    def _has_shaken_hands(self, descriptor: int) -> bool:
        done = self._handshake
        with _borrowed(descriptor) as connection:
            counted = tcp_traffic(connection)
        return counted.sent >= done.sent and counted.received >= done.received

    def _copy(self, descriptor: int) -> None:
        """Where the handshake is done, and the system has a descriptor left; tried again if not."""
        with suppress(OSError):
            if self._has_shaken_hands(descriptor):
                copy = os.dup(descriptor)
                self._copies[descriptor] = _tcp(copy)
                self._unseen -= 1
                del self._new[descriptor]

    def _forget(self, descriptor: int) -> None:
        self._new.pop(descriptor, None)
        copy = self._copies.pop(descriptor, None)
        if copy is not None:
            self._add(self._messages(copy))
            copy.close()

    def _add(self, traffic: Traffic) -> None:
        self._gone = total([self._gone, traffic])

    def _messages(self, connection: socket.socket) -> Traffic:
        try:
            counted = tcp_traffic(connection)
        except OSError:
            return Traffic(unread=1)
        return Traffic(
            counted.sent - self._handshake.sent, counted.received - self._handshake.received, 1
        )


def _tcp(descriptor: int) -> socket.socket:
    """A socket of this descriptor. The family does not matter: no address is asked for."""
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, descriptor)


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """ZeroMQ's own descriptor, which stays open."""
    connection = _tcp(descriptor)
    try:
        yield connection
    finally:
        connection.detach()


def _waiting_bytes(connection: socket.socket) -> int:
    """What has arrived and nobody has read."""
    return int.from_bytes(fcntl.ioctl(connection, termios.FIONREAD, bytes(4)), sys.byteorder)


def tcp_traffic(connection: socket.socket) -> Traffic:
    """Bytes of a TCP connection that reached the wire once, and that arrived in order."""
    info = _tcp_info(connection)
    sent, resent, received = (
        _U64.unpack_from(info, offset)[0] for offset in (_SENT, _RESENT, _RECEIVED)
    )
    return Traffic(sent - resent, received - (info[_STATE] in _AFTER_FIN))


def total(parts: Sequence[Traffic]) -> Traffic:
    """The sum."""
    return Traffic(*map(sum, zip(*parts, strict=True))) if parts else Traffic()
