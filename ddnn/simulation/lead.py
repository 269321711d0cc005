"""The launcher's part of a simulated run: its loop around the collector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from ddnn.nodes.awake import Awake
from ddnn.nodes.collector import Collector
from ddnn.report.verdicts import Answer
from ddnn.simulation.loops import Loop
from ddnn.simulation.members import Watched

POLL_S = 0.05
"""How long a collector waits at most; see ddnn.run.launcher.one_launch."""
SUPERVISE_S = 0.02
"""Time between two looks at who is to be started again; see ddnn.run.launcher.one_launch."""
READY_S = 5.0
"""A run begins after so long a roll call, whoever is missing."""


class Leads(Protocol):
    """What a simulation does for the loop that leads it."""

    @property
    def now_s(self) -> float: ...
    def begun(self) -> None: ...
    def is_ready(self, collector: Collector) -> bool: ...
    def take(self, answers: Sequence[Answer]) -> None: ...
    def act_at(self, sample: int) -> bool: ...


class Lead:
    """The launcher's loop around its collector."""

    def __init__(
        self,
        leads: Leads,
        collector: Collector,
        mailbox: Watched,
        loop: Loop,
        *,
        offset_s: float,
        first: int,
        most_s: float,
    ) -> None:
        """offset_s: of its clock. first: samples answered in the runs before. most_s: see Awake."""
        self.first = first
        self.collector = collector
        self.mailbox = mailbox
        self.loop = loop
        self.offset_s = offset_s
        self.is_begun = False
        self.is_over = False
        self.heard_s = offset_s
        self._leads = leads
        self._wait_s = 0.0
        self._awake = Awake(most_s, lambda: leads.now_s + offset_s)
        self._started_s = -math.inf
        self._waits_until_s = -math.inf

    def turn(self) -> float:
        """See Turns."""
        now_s = self._leads.now_s + self.offset_s
        self.heard_s = now_s
        received = self.mailbox.receive(0)
        lost_s = self._awake.look(self._wait_s)
        self._wait_s = 0.0
        if lost_s:
            self.collector.excuse(lost_s)
        for sender, message in received:
            self.collector.handle(sender, message, now_s)
        outgoing = self.collector.lead(now_s)
        if self._may_capture(now_s) and not self.is_over:
            outgoing = outgoing + self.collector.tick(now_s)
        for peer, message in outgoing:
            self.mailbox.send(peer, message)
        self._leads.take(self.collector.take_answers())
        return self.mailbox.took_s()

    def _may_capture(self, now_s: float) -> bool:
        """After the roll call; at a halt of the plan, after it was acted on."""
        if not self.is_begun:
            if math.isinf(self._started_s):
                self._started_s = now_s
            if not self._is_ready(now_s, self._started_s + READY_S):
                return False
            self.is_begun = True
            self._leads.begun()
        if self._waits_until_s > now_s:
            if not self._is_ready(now_s, self._waits_until_s):
                return False
            self._waits_until_s = -math.inf
            self.collector.release()
        sample = self.collector.halted_at
        if sample is not None:
            if self._leads.act_at(sample):
                self.collector.unreached.clear()
                self._waits_until_s = now_s + READY_S
                return False
            self.collector.release()
        return True

    def _is_ready(self, now_s: float, until_s: float) -> bool:
        return now_s >= until_s or self._leads.is_ready(self.collector)

    def due_s(self) -> float:
        """See Turns."""
        now_s = self._leads.now_s + self.offset_s
        due_s = self.collector.due_s(now_s)
        waits = not self.is_begun or self._waits_until_s > now_s
        due_s = max(now_s, min(due_s, now_s + (SUPERVISE_S if waits else POLL_S)))
        self._wait_s = due_s - now_s
        return due_s - self.offset_s
