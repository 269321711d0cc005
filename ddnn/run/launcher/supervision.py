"""Looks after a launch's nodes beside its samples: carries out what is planned or asked for, starts
again what ended, and notes what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ddnn.errors import DdnnError
from ddnn.nodes.collector import Collector
from ddnn.run.failures.failure import Failure
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.orders import Order
from ddnn.run.failures.plan import Action, failure_by_hand, returning_nodes
from ddnn.run.launcher.history import History
from ddnn.run.launcher.memory_notes import MemoryNotes
from ddnn.run.launcher.processes import Processes
from ddnn.run.outcome import failure_entry, gone_entry, pause_entry
from ddnn.topology import Topology


class Supervision:
    """Of the nodes that run here. timed: what the plan has for seconds that have not come yet."""

    def __init__(
        self,
        topology: Topology,
        collector: Collector,
        processes: Processes,
        *,
        operator: Operator,
        history: History,
        nodes: Sequence[str],
        timed: Sequence[Action],
    ) -> None:
        self.timed = sorted(timed, key=_seconds)
        self.memory = MemoryNotes()
        self._topology = topology
        self._collector = collector
        self._processes = processes
        self._operator = operator
        self._history = history
        self._nodes = nodes
        self._stopped: set[str] = set()
        self._is_paused, self._paused_s = False, 0.0  # as far as it was said

    def look(self, seconds: float, fell_silent: Callable[[str, float], bool]) -> None:
        """At everything, so many seconds after the first sample: nothing of it ends the run.

        fell_silent: as Operator.due_restarts has it.
        """
        for what, do in (
            ("orders", self._processes.look_at_orders),
            ("supervision", lambda: self._supervise(fell_silent)),
            ("pause", self.note_pause),
            ("memory", lambda: self.memory.look(seconds, self._nodes, self._processes)),
        ):
            self._history.spare(what, do)
        while self.timed and seconds >= _seconds(self.timed[0]):
            self.act(self.timed.pop(0))

    def note_what_never_came(self) -> None:
        """The run is over before these seconds of its plan."""
        for action in self.timed:
            if not action.ends:
                self._history.add(failure_entry(action.failure, None))

    def note_pause(self) -> None:
        """Says when capture stops and goes on, and how long it may wait for a device."""
        collector, devices = self._collector, self._topology.devices
        collector.pause_s = self._operator.pause_s(devices, returning_nodes(self.timed))
        for gone in collector.take_gone():
            self._history.add(gone_entry(gone), tell=False)
        if collector.is_paused != self._is_paused:
            self._is_paused = collector.is_paused
            entry = pause_entry(collector, before_s=self._paused_s)
            self._paused_s = collector.paused_s
            self._history.add(entry)

    def act(self, action: Action) -> None:
        """What cannot be carried out is noted as such."""
        failure = action.failure
        order = Order(failure)
        try:
            order = (self._operator.end if action.ends else self._operator.begin)(failure)
        except (DdnnError, OSError) as error:
            order.reason = str(error)
            self._history.say(f"{failure.where}: {failure.kind} not applied: {error}")
        entry = failure_entry(failure, self._collector.asked, ends=action.ends)
        self._history.add(entry, order)
        self._say_who_else(failure)

    def act_by_hand(self, request: dict[str, Any]) -> int:
        """A failure asked for while it runs; returns the sample from which it holds."""
        sample = self._collector.asked
        failure = failure_by_hand(request, self._topology)
        order = self._operator.begin_by_hand(failure)
        self._history.add(failure_entry(failure, sample), order)
        self._say_who_else(failure)
        return sample

    def _say_who_else(self, failure: Failure) -> None:
        if line := self._operator.whole_pack(failure):
            self._history.say(line)

    def _note_event(self, name: str, kind: str) -> None:
        """What happened to a node that nobody asked for."""
        self._history.add({"node": name, "kind": kind, "sample": self._collector.asked})

    def _supervise(self, fell_silent: Callable[[str, float], bool]) -> None:
        """Names nodes that ended by themselves, starts those again whose policy says so."""
        for name in self._processes.stopped():
            if name not in self._stopped:
                self._stopped.add(name)
                self._history.say(f"{name} stopped: {self._processes.last_words(name)}")
                self._note_event(name, "stopped")
        for name, why_not in self._operator.due_restarts(fell_silent).items():
            if why_not:
                self._history.note(f"{name} is not started again", why_not)
            else:
                self._stopped.discard(name)
                self._note_event(name, "restarted")


def _seconds(action: Action) -> float:
    return action.seconds or 0.0
