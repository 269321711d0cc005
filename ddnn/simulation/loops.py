"""Loops that take turns in virtual time: a node's, and the collector's."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ddnn.simulation.network import DRAIN_MESSAGES, Network
from ddnn.simulation.scheduler import Scheduler

SHORTEST_S = 1e-6
"""A turn takes at least so long: time goes on whatever a profile says."""


class Turns(Protocol):
    """What a loop drives."""

    def turn(self) -> float:
        """Messages in, work, messages out; returns how long that takes."""

    def due_s(self) -> float:
        """When the next turn is due though no message comes, in the scheduler's time."""


class Cores(Protocol):
    """Where a loop gets a core for its turns. at_once, turn_rows: messages of a turn, and samples
    whose features it takes, at most; None: all that are complete."""

    at_once: int
    turn_rows: int | None

    def take(self, begin: Callable[[], None]) -> bool:
        """A core for the caller. False: begin is called when one is free."""

    def give_back(self) -> None:
        """A turn is over."""


class Host:
    """The cores of a machine, shared by the loops on it."""

    at_once = DRAIN_MESSAGES
    turn_rows: int | None = None

    def __init__(self, cores: int) -> None:
        self._free = cores
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, begin: Callable[[], None]) -> bool:
        """See Cores."""
        if not self._free:
            self._waiting.append(begin)
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """See Cores."""
        self._free += 1
        if self._waiting:
            self._waiting.popleft()()


class Loop:
    """One process: turns when something arrives or is due, and not while it turns already."""

    def __init__(
        self, name: str, scheduler: Scheduler, network: Network, host: Cores | None
    ) -> None:
        """host: whose cores it shares, None: it has one of its own."""
        self.hangs = False
        self.end = network.join(name, self._mail)
        if host is not None:
            self.end.at_once = host.at_once
        self._scheduler = scheduler
        self._host = host
        self._busy_until_s = scheduler.now_s
        self._planned_s = math.inf
        self._waits = False  # for a core
        self._turns: Turns | None = None

    def drive(self, turns: Turns) -> None:
        """Begins."""
        self._turns = turns
        self.plan(self._scheduler.now_s)

    def stop(self) -> None:
        """For good."""
        self._turns = None

    def go_on(self) -> None:
        """After it hung."""
        self.hangs = False
        self.plan(self._scheduler.now_s)

    def plan(self, time_s: float) -> None:
        """A turn not later than that, if nothing comes before."""
        time_s = max(time_s, self._busy_until_s)
        if time_s < self._planned_s:
            self._planned_s = time_s
            self._scheduler.at(time_s, self._begin, time_s)

    def _mail(self) -> None:
        self.plan(self._scheduler.now_s)

    def _begin(self, planned_s: float) -> None:
        if planned_s != self._planned_s:
            return  # an earlier turn came in between
        self._planned_s = math.inf
        if self.hangs or self._turns is None or self._waits:
            return
        if self._host is None or self._host.take(self._begin_late):
            self._run()
        else:
            self._waits = True

    def _begin_late(self) -> None:
        self._waits = False
        if self.hangs or self._turns is None:
            return
        assert self._host is not None
        if self._host.take(self._begin_late):
            self._run()

    def _run(self) -> None:
        assert self._turns is not None
        took_s = max(self._turns.turn(), SHORTEST_S)
        self._busy_until_s = self._scheduler.now_s + took_s
        self.end.depart(self._busy_until_s)
        if self._host is not None:
            self._scheduler.at(self._busy_until_s, self._host.give_back)
        if self._turns is None:
            return
        if self.end.has_mail:
            self.plan(self._busy_until_s)
        else:
            self.plan(in_whole_ms(self._busy_until_s, self._turns.due_s()))


def in_whole_ms(now_s: float, due_s: float) -> float:
    """When a loop that waits from now on wakes up: ZeroMQ waits whole milliseconds, rounded up."""
    if due_s <= now_s or math.isinf(due_s):
        return max(now_s, due_s)
    return now_s + math.ceil(round((due_s - now_s) * 1000, 6)) / 1000
