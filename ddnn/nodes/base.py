"""What a node is: it decides, and does no I/O.

`handle` takes one message in, `tick` does the work that has gathered; both return what to send.
Neither knows a socket, a clock or a thread, so that the same node runs in one process with
lists, over the memory transport, and over ZeroMQ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from ddnn.wire.messages import Account, Heartbeat, Message, Stop

RARE = 10
"""Peers that do not watch a node get every tenth heartbeat: it shows whether they are there."""


class Outgoing(NamedTuple):
    """A message to send, and to whom."""

    peer: str
    message: Message


class Part(Protocol):
    """One job of a node: running a section, or holding an exit."""

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes a message in; others' messages are ignored."""

    def tick(self, now_s: float) -> list[Outgoing]:
        """Does what is due; messages to the own node are allowed."""

    def due_s(self) -> float | None:
        """When `tick` is due though no message comes, None: never."""


class Node:
    """A named set of parts with a heartbeat.

    Hearts beat at whole multiples of the interval, so that those of one machine beat together:
    whoever hears them wakes up once for all of them.

    events: what the parts count beside traffic, by a name in wire.codec.EVENTS.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        peers: Sequence[str],
        watchers: Collection[str],
        heartbeat_s: float,
        events: Counter[str],
        epoch: int = 0,
    ) -> None:
        self.name = name
        self.events = events
        self.stopped = False
        self._parts = parts
        self._peers = peers
        self._heartbeat_s = heartbeat_s
        self._epoch = epoch
        self._watchers = watchers
        self._due_s = -math.inf  # of the next heartbeat
        self._beats_sent = 0
        self._unreached = set(peers)

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes one message in."""
        if isinstance(message, Stop):
            self.stopped = True
        for part in self._parts:
            part.handle(sender, message, now_s)

    def tick(self, now_s: float) -> list[Outgoing]:
        """Does the gathered work; returns what to send, heartbeats included."""
        outgoing: list[Outgoing] = []
        busy = True
        while busy:
            busy = False
            for part in self._parts:
                for out in part.tick(now_s):
                    if out.peer == self.name:
                        self.handle(self.name, out.message, now_s)
                        busy = True
                    else:
                        outgoing.append(out)
        return outgoing + self._beats(now_s)

    def _beats(self, now_s: float) -> list[Outgoing]:
        if now_s < self._due_s:
            return []
        whole_s = (now_s // self._heartbeat_s + 1) * self._heartbeat_s
        self._due_s = max(whole_s, now_s + self._heartbeat_s / 2)
        everyone = self._beats_sent % RARE == 0
        self._beats_sent += 1
        beat = Heartbeat(len(self._unreached), self._epoch)
        return [
            Outgoing(peer, beat)
            for peer in self._peers
            if everyone or peer in self._watchers or peer in self._unreached
        ]

    def sent(self, peer: str, *, taken: bool) -> None:
        """Tells how a send went: the heartbeat says how many of the peers took nothing."""
        if not taken:
            self._unreached.add(peer)
        elif peer in self._unreached:
            self._unreached.discard(peer)
            if not self._unreached:
                self._due_s = -math.inf

    def due_s(self) -> float:
        """When `tick` is due though no message comes."""
        times = [due for part in self._parts if (due := part.due_s()) is not None]
        return min([self._due_s, *times])


def merge_events(account: Account, events: Counter[str]) -> Account:
    """The account with the node's own events beside its mailbox's."""
    total = Counter(dict(account.events)) + events
    return Account(account.links, tuple(sorted(total.items())), account.kernel)
