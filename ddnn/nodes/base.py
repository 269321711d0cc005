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

from ddnn.nodes.keeper import Keeper
from ddnn.nodes.replicas import Replicas
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import NO_RUN, Account, Heartbeat, Hello, Message, Roll, Stop

_NOBODY: frozenset[str] = frozenset()
RARE = 5
"""Every fifth heartbeat goes to all peers. One that does not watch a node gets no others: it shows
whether they are there. Nor does one that is told of its silence, while the node is idle."""
HELLO_S = 0.1
"""Time between two hellos outside a run, and between two calls into one, at most."""
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
    up when it is silent. told: who among those learns of its silence from its keepers. kept: whom
    it keeps itself, see routes.keepers."""

    peers: tuple[str, ...]
    hears: tuple[str, ...]
    watchers: frozenset[str]
    told: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


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
    whoever hears them wakes up once for all of them. Who took another message within a quarter of
    it gets none, as long as everybody is reached.

    A device that has said nothing else for RARE intervals is idle: it beats for its keepers, who
    say at once when it falls silent, and seldom for those that they tell. It beats for all of them
    again as soon as it has something to say.

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
        patience_s: float,
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
        self._everyone_due = True
        self._spoke_s = -math.inf  # when its parts last had something to say, or it joined
        self._latest = self._often = Heartbeat(boot=identity.boot)  # to those told, and to others
        self._keeper = Keeper(neighbours.kept, patience_s)
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
        self._keeper.hear(sender, now_s)
        if self._replicas is not None:
            sender = self._replicas.hear(sender, now_s)
        for part in self._parts:
            part.handle(sender, message, now_s)

    def _answer_roll(self, roll: Roll, now_s: float) -> None:
        """Joins a run. One whose collector still speaks is not left for another."""
        own = self._identity.data
        if roll.run == self.run:
            self._beat_to_all(now_s)
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
        self._keeper.begin()
        self._latest = self._often = Heartbeat(boot=self._identity.boot)
        self._beat_to_all(now_s)

    def leave(self) -> None:
        """Its run is over: it says hello until another begins, and nothing of this one is left."""
        self.run = NO_RUN
        self.stopped = False
        self._parts = ()
        self._boots.clear()
        self._led_s = -math.inf

    def _greet(self, sender: str, boot: int) -> None:
        """Another start of a node knows nobody: it hears from us at once."""
        if sender in self._boots:
            self._keeper.renew(sender)
        self._boots[sender] = boot
        if sender in self._neighbours.peers:
            self._unreached.add(sender)
            self._due_s = -math.inf

    def _beat_to_all(self, now_s: float) -> None:
        """At once; nobody who has just joined, or is asked for, is idle."""
        self._everyone_due, self._spoke_s = True, now_s
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
        if outgoing:
            self._spoke_s = now_s
        if self.run != NO_RUN and self._keeper.given_up(now_s) != self._latest.gone:
            self._beat_to_all(now_s)
        if now_s < self._due_s:
            return outgoing
        return self._beats(now_s) + outgoing  # first: who is greeted must know us for the rest

    def _beats(self, now_s: float) -> list[Outgoing]:
        everyone = self._plan_next(now_s)
        hello = Outgoing(COLLECTOR, Hello(self._identity.boot, self.run, self._identity.data))
        if self.run == NO_RUN:
            return [hello]
        beat = self._beat(now_s, everyone=everyone)
        seldom = self._neighbours.told if beat.every > 1 else _NOBODY
        if everyone:
            peers = frozenset(self._neighbours.peers)
        elif self._is_news(beat):
            peers = self._neighbours.watchers | self._unreached
        else:
            peers = self._neighbours.watchers - seldom - self._told_lately(now_s)
        if beat is not self._latest:
            self._latest, self._often = beat, replace(beat, every=1)
        beats = [
            Outgoing(peer, beat if peer in seldom else self._often)
            for peer in self._neighbours.peers
            if peer in peers
        ]
        if not everyone:
            return beats
        self._keeper.told()
        return [hello, *beats]

    def _plan_next(self, now_s: float) -> bool:
        """When its heart beats again. Returns whether it beats for everyone now."""
        beat_s = self._heartbeat_s if self.run != NO_RUN else min(self._heartbeat_s, HELLO_S)
        number = now_s // beat_s
        self._due_s = max((number + 1) * beat_s, now_s + beat_s / 2)
        self._keeper.look(now_s)
        everyone, self._everyone_due = self._everyone_due, (number + 1) % RARE == 0
        return everyone

    def _beat(self, now_s: float, *, everyone: bool) -> Heartbeat:
        """What its heart says now, to those that are told; that the next one is far, it says to
        everyone."""
        is_idle = now_s >= self._spoke_s + RARE * self._heartbeat_s
        unreached = len(self._unreached | self._unheard)
        may_rest = self._neighbours.told and (everyone or self._latest.every > 1)
        every = RARE + 1 if may_rest and is_idle and not unreached else 1
        gone, latest = self._keeper.given_up(now_s), self._latest
        if (unreached, every, gone) == (latest.unreached, latest.every, latest.gone):
            return latest
        return Heartbeat(unreached, self._identity.boot, every, gone)

    def _is_news(self, beat: Heartbeat) -> bool:
        """Whether those who watch it are to have it, whatever else they took."""
        latest = self._latest
        return bool(beat.unreached or latest.unreached) or beat.every < latest.every

    def _told_lately(self, now_s: float) -> set[str]:
        """Who took something else so lately that it needs no heartbeat before the next one."""
        since_s = now_s - self._heartbeat_s / 4
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
        lost_s = self._keeper.next_change_s(self._now_s)
        return min([self._due_s, *times, self._due_s if lost_s is None else lost_s])


def merge_events(account: Account, events: Counter[str]) -> Account:
    """The account with the node's own events beside its mailbox's."""
    total = Counter(dict(account.events)) + events
    return replace(account, events=tuple(sorted(total.items())))
