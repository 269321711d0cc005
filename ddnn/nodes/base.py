"""What a node is: it decides, and does no I/O.

`handle` takes one message in, `tick` does the work that has gathered; both return what to send.
Neither knows a socket, a clock or a thread, so that the same node runs in one process with
lists, over the memory transport, and over ZeroMQ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from ddnn.nodes.replicas import Replicas
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import NO_RUN, Account, Heartbeat, Hello, Message, Roll, Stop

RARE = 10
"""Peers that do not watch a node get every tenth heartbeat: it shows whether they are there."""
LEAD_S = 1.0
"""Time between two heartbeats of the collector."""
LED_S = 3 * LEAD_S
"""Silence of its collector after which a run counts as over: nodes join another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which start of which node this is.

    boot: 64 random bits, drawn at the start. data: digest of the samples that its camera
    recorded, 0 where it sees nothing or nobody knows.
    """

    boot: int = 0
    data: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """peers: whom a node sends to. hears: who sends to it. watchers: who among its peers gives it
    up when it is silent."""

    peers: tuple[str, ...]
    hears: tuple[str, ...]
    watchers: frozenset[str]


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
    """A named set of parts with a heartbeat, taking part in one run at a time.

    Outside a run it says hello to the collector, whose roll call leads into one. A new run finds
    it as if it had just started: its parts are made anew, and what it counted is forgotten.

    Hearts beat at whole multiples of the interval, so that those of one machine beat together:
    whoever hears them wakes up once for all of them. Who took another message within half of it
    gets none, as long as everybody is reached.

    events: what the parts count beside traffic, by a name in wire.codec.EVENTS. run: its id, or
    NO_RUN.
    """

    def __init__(
        self,
        name: str,
        make_parts: Callable[[Roll], Sequence[Part]],
        *,
        identity: Identity,
        neighbours: Neighbours,
        heartbeat_s: float,
        events: Counter[str],
        replicas: Replicas | None = None,
    ) -> None:
        """make_parts: called at the beginning of each run. replicas: None where no node has any."""
        self.name = name
        self._replicas = replicas
        self._own = replicas.own if replicas else name  # as its parts call it
        self.events = events
        self.run = NO_RUN
        self.stopped = False
        self._make_parts = make_parts
        self._parts: Sequence[Part] = ()
        self._identity = identity
        self._neighbours = neighbours
        self._heartbeat_s = heartbeat_s
        self._due_s = -math.inf  # of the next heartbeat
        self._beats_sent = 0
        self._told_unreached = 0  # by the latest heartbeat
        self._said_s: dict[str, float] = {}  # when a peer took something
        self._now_s = 0.0
        self._unreached: set[str] = set()
        self._unheard: set[str] = set()
        self._boots: dict[str, int] = {}
        self._led_s = -math.inf  # when the run's collector was heard last

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes one message in."""
        if isinstance(message, Roll):
            self._answer_roll(message, now_s)
            return
        self._unheard.discard(sender)
        if sender == COLLECTOR:
            self._led_s = now_s
        if isinstance(message, Stop):
            self.stopped = True
        elif isinstance(message, Heartbeat) and self._boots.get(sender) != message.boot:
            self._greet(sender, message.boot)
        if self._replicas is not None:
            sender = self._replicas.hear(sender, now_s)
        for part in self._parts:
            part.handle(sender, message, now_s)

    def _answer_roll(self, roll: Roll, now_s: float) -> None:
        """Joins a run. One whose collector still speaks is not left for another."""
        own = self._identity.data
        if roll.run == self.run:
            self._beat_to_all()
        elif own and roll.data and own != roll.data:
            self.events["other-data"] += 1
        elif now_s >= self._led_s + LED_S:
            self._join(roll, now_s)

    def _join(self, roll: Roll, now_s: float) -> None:
        self.run = roll.run
        self.events.clear()
        self._parts = self._make_parts(roll)
        self._unreached = set(self._neighbours.peers)
        self._unheard = set(self._neighbours.hears) - {COLLECTOR}
        self._boots = {COLLECTOR: roll.run}
        self._led_s = now_s
        self._beat_to_all()

    def leave(self) -> None:
        """Its run is over: it says hello until another begins, and nothing of this one is left."""
        self.run = NO_RUN
        self.stopped = False
        self._parts = ()
        self._boots.clear()
        self._led_s = -math.inf

    def _greet(self, sender: str, boot: int) -> None:
        """Another start of a node knows nobody: it hears from us at once."""
        self._boots[sender] = boot
        if sender in self._neighbours.peers:
            self._unreached.add(sender)
            self._due_s = -math.inf

    def _beat_to_all(self) -> None:
        self._beats_sent = 0
        self._due_s = -math.inf

    def tick(self, now_s: float) -> list[Outgoing]:
        """Does the gathered work; returns what to send, heartbeats included."""
        self._now_s = now_s
        outgoing: list[Outgoing] = []
        busy = True
        while busy:
            busy = False
            for part in self._parts:
                for out in part.tick(now_s):
                    if out.peer == self._own:
                        self.handle(self.name, out.message, now_s)
                        busy = True
                    elif self._replicas is None:
                        outgoing.append(out)
                    else:
                        spread = self._replicas.spread(out.peer, out.message, now_s)
                        outgoing += [Outgoing(*each) for each in spread]
        if now_s < self._due_s:
            return outgoing
        return self._beats(now_s) + outgoing  # first: who is greeted must know us for the rest

    def _beats(self, now_s: float) -> list[Outgoing]:
        whole_s = (now_s // self._heartbeat_s + 1) * self._heartbeat_s
        self._due_s = max(whole_s, now_s + self._heartbeat_s / 2)
        everyone = self._beats_sent % RARE == 0
        self._beats_sent += 1
        hello = Outgoing(COLLECTOR, Hello(self._identity.boot, self.run, self._identity.data))
        if self.run == NO_RUN:
            return [hello]
        beat = Heartbeat(len(self._unreached | self._unheard), self._identity.boot)
        if everyone or beat.unreached or self._told_unreached:
            watched = self._neighbours.watchers | self._unreached
        else:
            watched = self._neighbours.watchers - self._told_lately(now_s)
        self._told_unreached = beat.unreached
        beats = [
            Outgoing(peer, beat) for peer in self._neighbours.peers if everyone or peer in watched
        ]
        return [hello, *beats] if everyone else beats

    def _told_lately(self, now_s: float) -> set[str]:
        """Who took something else so lately that it needs no heartbeat before the next one."""
        since_s = now_s - self._heartbeat_s / 2
        return {peer for peer, said_s in self._said_s.items() if said_s > since_s}

    def sent(self, peer: str, *, taken: bool) -> None:
        """Tells how a send went: the heartbeat says how many of the peers took nothing."""
        if self.run == NO_RUN:
            return
        if not taken:
            self._unreached.add(peer)
            return
        self._said_s[peer] = self._now_s
        if peer in self._unreached:
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
    return replace(account, events=tuple(sorted(total.items())))
