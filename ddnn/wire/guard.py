"""Which connections of one socket are cut, whoever is at their other end.

* More than HALF_OPEN whose handshake is not done: the oldest. (ZeroMQ itself ends them after a
  while; until then each costs a descriptor.)
* More than wanted whose handshake is done: those that never said anything first, then those that
  have been silent for longest.
* One that keeps a message unfinished. A ZeroMQ message of many parts is handed over when its last
  part is there, and only single parts are limited in size: a peer that sends parts and never the
  last one fills the memory. So what ZeroMQ has read from a connection, as the kernel tells, is
  compared with what it handed over. Once everything whole is handed over, the rest is an
  unfinished message, and more than a message's size of it is no message of ours. Everything whole
  is handed over when nothing is left to receive, or when others were served more often in the
  meantime: ZeroMQ takes turns among its connections.

What an unfinished message can take: what arrives between two looks, and per connection a message's
size, times 32 for parts without content (64 bytes of memory for 2 on the wire).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ddnn.wire.kernel import Connections

HALF_OPEN = 32
"""Connections whose handshake is not done, at most."""
STRANGERS = 32
"""Connections beyond the expected ones whose handshake is done, at most."""
BATCH_BYTES = 1 << 14
"""What ZeroMQ may have read beyond a message and not yet handed over: twice its batch of 8192."""


@dataclass(slots=True)
class _Taken:
    """What was handed over from one connection. before: bytes, up to the look before this."""

    bytes: int = 0
    messages: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A connection of which `read` bytes had been read at a look, when it had brought `messages`
    of `total`."""

    read: int
    messages: int
    total: int


class Guard:
    """Watches over the connections of one socket.

    events: how many were cut, by reason.
    """

    def __init__(
        self,
        connections: Connections,
        events: Counter[str],
        *,
        expected: int,
        message_bytes: int,
    ) -> None:
        """expected: connections that others are meant to have here. message_bytes: the largest
        message with its framing."""
        self._connections = connections
        self._events = events
        self._wanted = expected + STRANGERS
        self._rest_bytes = message_bytes + BATCH_BYTES
        self._taken: dict[int, _Taken] = {}
        self._heard: dict[int, int] = {}  # open connections' messages, longest silent first
        self._suspects: dict[int, _Suspect] = {}
        self._ended: set[int] = set()
        self._total = 0

    def note(self, descriptor: int, framed_bytes: int) -> None:
        """A message was handed over, with all its parts."""
        taken = self._taken.get(descriptor)
        if taken is None:
            taken = self._taken[descriptor] = _Taken()
        taken.bytes += framed_bytes
        taken.messages += 1
        self._total += 1

    def look(self, came: frozenset[int]) -> None:
        """To be called after all news was taken. came: descriptors of new connections in it."""
        self._forget(came)
        self._cut_crowd()
        for descriptor, read in self._connections.read_bytes().items():
            taken = self._taken.setdefault(descriptor, _Taken())
            taken.before = taken.bytes
            if read - taken.bytes > self._rest_bytes:
                suspect = _Suspect(read, taken.messages, self._total)
                self._suspects.setdefault(descriptor, suspect)

    @property
    def is_suspicious(self) -> bool:
        """Whether a connection may have to be cut: it is time to receive and settle."""
        return bool(self._suspects)

    def settle(self, *, is_empty: bool) -> None:
        """To be called when messages were received. is_empty: none is left."""
        for descriptor, suspect in list(self._suspects.items()):
            taken = self._taken[descriptor]
            turns = (self._total - suspect.total) // max(1, len(self._heard))
            if is_empty or taken.messages - suspect.messages < turns:
                del self._suspects[descriptor]
                if suspect.read - taken.bytes > self._rest_bytes:
                    self._cut(descriptor, "unfinished", taken.bytes)

    def _forget(self, came: frozenset[int]) -> None:
        """What was of earlier connections with the same descriptors. What came since the last
        look may be of either, and counts for the new one."""
        for descriptor in came & self._taken.keys():
            taken = self._taken[descriptor]
            taken.bytes -= taken.before
        known = {*self._connections.open, *self._connections.new}
        gone = self._taken.keys() - known
        for descriptor in gone:
            del self._taken[descriptor]
        for descriptor in came | gone:
            self._suspects.pop(descriptor, None)
            self._heard.pop(descriptor, None)
        self._ended = (self._ended & known) - came

    def _cut_crowd(self) -> None:
        for descriptor in self._connections.open:
            taken = self._taken.setdefault(descriptor, _Taken())
            if self._heard.get(descriptor) != taken.messages:
                self._heard.pop(descriptor, None)
                self._heard[descriptor] = taken.messages
        silent_first = sorted(self._heard, key=lambda descriptor: self._heard[descriptor] > 0)
        for crowd, most in ((self._connections.new, HALF_OPEN), (silent_first, self._wanted)):
            for descriptor in crowd[: max(0, len(crowd) - most)]:
                self._cut(descriptor, "crowd")

    def _cut(self, descriptor: int, reason: str, whole: int | None = None) -> None:
        if descriptor not in self._ended:
            self._ended.add(descriptor)
            self._events[reason] += 1
            self._connections.cut(descriptor, whole)
