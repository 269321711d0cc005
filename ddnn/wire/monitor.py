"""What ZeroMQ tells of one socket's connections, and what is kept and cut on its account.

A monitor whose pipe is full blocks ZeroMQ's thread, which then holds the lock that closing wants:
800 connections while nobody reads would hang the process. Its pipe here has no limit. Each
connection that came and went meanwhile costs 11 KB, most of it ZeroMQ's own, until it is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import zmq

from ddnn.wire.guard import Guard
from ddnn.wire.kernel import Change, Connections, Event

NEWS = 1000
"""At most so many events are read at once."""

_CHANGES: dict[int, Change] = {
    zmq.EVENT_CONNECTED: Change.CAME,
    zmq.EVENT_ACCEPTED: Change.CAME,
    zmq.EVENT_HANDSHAKE_SUCCEEDED: Change.SHOOK_HANDS,
    zmq.EVENT_DISCONNECTED: Change.WENT,
}
_EVENT = struct.Struct("=Hi")
"""First part of a monitor's message, zmq_socket_monitor(3): event and value. Read here, since
pyzmq's module for it imports asyncio, 3 MB of memory a node."""
_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


class Watch:
    """The connections of one socket.

    failed: handshakes that failed so far.
    """

    def __init__(
        self, socket: zmq.Socket[bytes], connections: Connections, guard: Guard, *, is_counted: bool
    ) -> None:
        """is_counted: whether the kernel counts the bytes of this socket's connections."""
        self._socket = socket
        self._monitor = _monitor(socket)
        self._is_counted = is_counted
        self._came: set[int] = set()
        self.is_behind = False
        self.connections = connections
        self.guard = guard
        self.failed = 0
        self.read()

    @property
    def descriptor(self) -> int:
        """Readable when there is news since the last `read`, of which there must have been one; of
        what was there before and not taken it says nothing."""
        return int(self._monitor.fileno())

    def read(self) -> None:
        """Takes the news, or the first of very much: then it is behind."""
        events = list(islice(self._news(), NEWS))
        self.is_behind = len(events) == NEWS
        if self._is_counted:
            self.connections.take(events)
            came = (event.descriptor for event in events if event.change is Change.CAME)
            self._came.update(descriptor for descriptor in came if descriptor is not None)

    def look(self) -> None:
        """Lets the guard look at the connections as they are."""
        if self._is_counted and not self.is_behind:
            self.guard.look(frozenset(self._came))
            self._came.clear()

    def close(self) -> None:
        """Before the socket is closed."""
        self._socket.monitor(None, 0)
        self._monitor.close(linger=0)

    def _news(self) -> Iterator[Event]:
        with suppress(zmq.Again):
            while True:
                found, _endpoint = self._monitor.recv_multipart(zmq.NOBLOCK)
                event, value = _EVENT.unpack(found)
                change = _CHANGES.get(event)
                if change is None:
                    self.failed += 1
                else:
                    has_descriptor = change is not Change.SHOOK_HANDS
                    yield Event(change, value if has_descriptor else None)


def _monitor(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    address = f"inproc://news-{id(socket)}"
    socket.monitor(address, sum(_CHANGES) | _FAILED)
    monitor: zmq.Socket[bytes] = socket.context.socket(zmq.PAIR)
    monitor.setsockopt(zmq.RCVHWM, 0)
    monitor.connect(address)
    return monitor
