"""Takes in what has arrived at a node's inbound socket: waits, and hands over what may be messages.

Waiting has three ways: in `recv` itself, which takes a third of the system calls of a poll before
it; on the socket's descriptor, where nothing came the last time, since an exception costs more; and
in a poll, where there is more to wait for than messages.
"""

from __future__ import annotations

import os
import select
from collections import Counter

import zmq

from ddnn.wire.doorman import Doorman
from ddnn.wire.guard import Guard
from ddnn.wire.ledger import zmtp_bytes
from ddnn.wire.transport import Arrived

WAKING_BYTES = 4096


class Inbox:
    """Reads one bound socket.

    events: counts messages of more than one part (`multipart`). refused_bytes: what those took,
    framed. is_drained: the latest `receive` left nothing. wakes: descriptors that end a wait.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        guard: Guard,
        events: Counter[str],
        *,
        doorman: Doorman | None,
        seal_bytes: int,
        at_once: int,
    ) -> None:
        """doorman: None where nothing is encrypted. seal_bytes: that encryption adds to a message.
        at_once: messages handed over at most."""
        self.is_drained = True
        self.refused_bytes = 0
        self.wakes: list[int] = []
        self._socket = socket
        self._guard = guard
        self._events = events
        self._doorman = doorman
        self._seal_bytes = seal_bytes
        self._at_once = at_once
        self._wait_ms = -1
        self._descriptor = select.poll()  # wakes when there may be something
        self._descriptor.register(int(socket.getsockopt(zmq.FD)), select.POLLIN)
        self._is_quiet = False  # nothing came the last time
        self._poller = zmq.Poller()
        self._poller.register(socket, zmq.POLLIN)
        if doorman is not None:
            self._poller.register(doorman.socket, zmq.POLLIN)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """See ZmqTransport."""
        sockets = [self._socket] + ([] if self._doorman is None else [self._doorman.socket])
        return (*self.wakes, *(int(socket.getsockopt(zmq.FD)) for socket in sockets))

    def wake_on(self, descriptor: int) -> None:
        """See ZmqTransport."""
        self._poller.register(descriptor, zmq.POLLIN)
        self.wakes.append(descriptor)

    def bound_anew(self) -> None:
        """What arrived meanwhile, no descriptor tells."""
        self._is_quiet = False

    def receive(self, wait_ms: int) -> list[Arrived]:
        """What has arrived; waits at most wait_ms for the first."""
        messages: list[Arrived] = []
        polls = self.wakes or self._doorman is not None
        self.is_drained = (self._poll_and_drain if polls else self._drain)(messages, wait_ms)
        self._guard.settle(is_empty=self.is_drained)
        return messages

    def _drain(self, messages: list[Arrived], wait_ms: int) -> bool:
        """Takes what is there; returns whether nothing is left."""
        socket = self._socket
        if self._is_quiet:
            if not self._descriptor.poll(wait_ms):
                return True
            wait_ms = 0
        self._is_quiet = False
        if wait_ms != self._wait_ms:
            self._wait_ms = wait_ms
            socket.setsockopt(zmq.RCVTIMEO, wait_ms)
        try:
            self._take(messages, socket.recv(0, copy=False))
        except zmq.Again:
            self._is_quiet = True
            return True
        for _ in range(self._at_once - 1):
            if not int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return True
            self._take(messages, socket.recv(zmq.NOBLOCK, copy=False))
        return False

    def _poll_and_drain(self, messages: list[Arrived], wait_ms: int) -> bool:
        """As `_drain`, where there is more to wait for than messages."""
        ready = self._poller.poll(wait_ms)
        for _ in range(self._at_once):
            if not ready:
                break
            for socket, _ in ready:
                if socket is self._socket:
                    self._take(messages, self._socket.recv(zmq.NOBLOCK, copy=False))
                elif isinstance(socket, int):  # a descriptor
                    os.read(socket, WAKING_BYTES)
                elif self._doorman is not None:
                    self._doorman.answer()
            ready = self._poller.poll(0)  # a third of what it costs to be told by an exception
        return all(socket is not self._socket for socket, _ in ready)

    def _take(self, messages: list[Arrived], first: zmq.Frame) -> None:
        """A message, if it is of one part."""
        data = first.bytes
        framed_bytes = self._framed_bytes(len(data))
        if first.more:
            self._refuse_parts(first, framed_bytes)
            return
        self._guard.note(int(first.get(zmq.SRCFD)), framed_bytes)
        messages.append((data, None if self._doorman is None else _sender(first)))

    def _refuse_parts(self, first: zmq.Frame, framed_bytes: int) -> None:
        part = first
        while part.more:
            part = self._socket.recv(zmq.NOBLOCK, copy=False)
            framed_bytes += self._framed_bytes(len(part))
        self._guard.note(int(first.get(zmq.SRCFD)), framed_bytes)
        self._events["multipart"] += 1
        self.refused_bytes += framed_bytes

    def _framed_bytes(self, part_bytes: int) -> int:
        return zmtp_bytes(part_bytes + self._seal_bytes)


def _sender(part: zmq.Frame) -> str:
    """By the key of its connection."""
    name = part.get("User-Id")
    return name if isinstance(name, str) else ""
