"""The network of a simulation: connections between processes, and messages on their way.

What ZeroMQ over TCP does, as far as nodes can tell: a message arrives whole, late or never; order
on a link is kept unless it is told to break; to a process that is gone nothing is taken; a process
that does not read has a queue that fills up.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable

from pydantic import Field

from ddnn.simulation.scheduler import Scheduler
from ddnn.topology import Model
from ddnn.wire.transport import Arrived

QUEUE_MESSAGES = 2000
"""Two high-water marks of ddnn.wire.zeromq: on both sides of a link."""
DRAIN_MESSAGES = 256
"""As many as a loop takes in at once."""
CONNECT_S = (0.001, 0.03)
"""How long a connection takes to come back, when both ends are there."""

REPLAYED = 32
"""The latest messages of a link that somebody may say again."""


class Conditions(Model):
    """Of every link, beside what the topology emulates and the profile's latency."""

    latency_ms: float = Field(0, ge=0, le=60_000)
    jitter_ms: float = Field(0, ge=0, le=60_000, description="uniform, added to the latency")
    loss: float = Field(0, ge=0, lt=1, description="share of messages lost")
    reorder: float = Field(0, ge=0, lt=1, description="share that others may overtake")
    bandwidth_kbps: float | None = Field(None, gt=0, le=1e9)


class _Link:
    __slots__ = (
        "broken", "connected_s", "free_s", "last_s", "past", "queued", "random", "reorder",
    )  # fmt: skip

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.connected_s = 0.0  # from then on
        self.free_s = 0.0  # of what was sent before
        self.last_s = 0.0  # when the last message arrives
        self.queued = 0
        self.broken = 0  # so many failures cut it
        self.reorder = 0.0
        self.past: deque[bytes] = deque(maxlen=REPLAYED)


class Endpoint:
    """One process's end of the network, a ddnn.wire.transport.Transport. Never waits.

    arrived: called when there is something to receive. at_once: messages handed over at most.
    """

    def __init__(self, network: Network, name: str, arrived: Callable[[], None]) -> None:
        self.name = name
        self.arrived = arrived
        self.ended_s = math.inf
        self.at_once = DRAIN_MESSAGES
        self._network = network
        self._inbox: deque[tuple[str, Arrived]] = deque()
        self._leaving: list[tuple[str, bytes]] = []

    @property
    def has_mail(self) -> bool:
        """Something waits to be received."""
        return bool(self._inbox)

    def send(self, peer: str, data: bytes) -> bool:
        """See Transport; it leaves with the next `depart`."""
        if not self._network.takes(self.name, peer):
            return False
        self._leaving.append((peer, data))
        return True

    def depart(self, time_s: float) -> None:
        """What was sent leaves now, at the end of a turn."""
        leaving, self._leaving = self._leaving, []
        for peer, data in leaving:
            self._network.carry(self, peer, data, time_s)

    def put(self, sender: str, data: bytes) -> None:
        """Takes in a message."""
        self._inbox.append((sender, (data, None)))
        self.arrived()

    def receive(self, _timeout_s: float) -> list[Arrived]:
        """See Transport."""
        taken = [self._inbox.popleft() for _ in range(min(len(self._inbox), self.at_once))]
        for sender, _ in taken:
            self._network.link(sender, self.name).queued -= 1
        return [arrived for _, arrived in taken]

    def close(self) -> None:
        """See Transport: what has not left never does, what waits is lost."""
        for sender, _ in self._inbox:
            self._network.link(sender, self.name).queued -= 1
        self._inbox.clear()
        self._leaving.clear()


class Network:
    """All links. Each draws its own luck, so that one trouble less changes little elsewhere."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        latency_s: float,
        jitter_s: float,
        conditions: Conditions,
        seed: int,
    ) -> None:
        """latency_s, jitter_s: of sockets and kernel alone."""
        self._scheduler = scheduler
        self._latency_s = latency_s + conditions.latency_ms / 1000
        self._jitter_s = jitter_s + conditions.jitter_ms / 1000
        self._conditions = conditions
        self._seed = seed
        self._links: dict[tuple[str, str], _Link] = {}
        self._ends: dict[str, Endpoint] = {}
        self._peers: dict[str, set[str]] = {}

    def join(self, name: str, arrived: Callable[[], None]) -> Endpoint:
        """A process starts: connections to and from it come up one after the other."""
        end = self._ends[name] = Endpoint(self, name, arrived)
        for (sender, receiver), link in self._links.items():
            if name in (sender, receiver):
                link.connected_s = self._scheduler.now_s + link.random.uniform(*CONNECT_S)
        return end

    def leave(self, name: str) -> None:
        """The process is gone, with what it had not received or not sent."""
        end = self._ends.pop(name, None)
        if end is not None:
            end.ended_s = self._scheduler.now_s
            end.close()

    def link(self, sender: str, receiver: str) -> _Link:
        """The way from one to the other."""
        link = self._links.get((sender, receiver))
        if link is None:
            link = _Link(f"{self._seed} {sender} {receiver}")
            link.connected_s = self._scheduler.now_s + link.random.uniform(*CONNECT_S)
            self._links[sender, receiver] = link
        return link

    def cut(self, sender: str, receiver: str, *, ends: bool) -> None:
        """From now on, or no longer, nothing arrives in this direction."""
        self.link(sender, receiver).broken += -1 if ends else 1

    def reorder(self, sender: str, receiver: str, share: float) -> None:
        """From now on this share of messages may be overtaken by those behind."""
        self.link(sender, receiver).reorder = share

    def replay(self, sender: str, receiver: str, for_s: float) -> None:
        """Says again what was said last on this link, whoever lives meanwhile."""
        link = self.link(sender, receiver)
        for data in link.past:
            link.queued += 1
            time_s = self._scheduler.now_s + link.random.uniform(0, for_s)
            self._scheduler.at(time_s, self._deliver, None, time_s, sender, receiver, data)

    def takes(self, sender: str, receiver: str) -> bool:
        """Whether a message is taken now: there is a connection, and room in its queue."""
        if receiver not in self._ends:
            return False
        link = self.link(sender, receiver)
        return link.connected_s <= self._scheduler.now_s and link.queued < QUEUE_MESSAGES

    def carry(self, sender: Endpoint, receiver: str, data: bytes, leave_s: float) -> None:
        """Plans a message's arrival, or loses it."""
        link, conditions = self.link(sender.name, receiver), self._conditions
        if link.broken or (conditions.loss and link.random.random() < conditions.loss):
            return
        arrive_s = leave_s
        if conditions.bandwidth_kbps is not None:
            link.free_s = max(leave_s, link.free_s) + len(data) * 8e-3 / conditions.bandwidth_kbps
            arrive_s = link.free_s
        arrive_s += self._latency_s + self._jitter_s * link.random.random()
        reorder = max(link.reorder, conditions.reorder)
        if reorder and link.random.random() < reorder:
            arrive_s += link.random.uniform(0, 20 * (self._latency_s + self._jitter_s))
        else:
            link.last_s = arrive_s = max(arrive_s, link.last_s)
        link.queued += 1
        link.past.append(data)
        self._scheduler.at(arrive_s, self._deliver, sender, leave_s, sender.name, receiver, data)

    def _deliver(
        self, end: Endpoint | None, leave_s: float, sender: str, receiver: str, data: bytes
    ) -> None:
        """end: whose message it is; a process that ended before it left never sent it."""
        to = self._ends.get(receiver)
        if to is None or (end is not None and end.ended_s < leave_s):
            self.link(sender, receiver).queued -= 1
            return
        to.put(sender, data)
