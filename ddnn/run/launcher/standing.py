"""How each node of a launch stands, here and on other hosts."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict

from ddnn.live.events import NodeState as NodeEvent
from ddnn.nodes.collector import Collector
from ddnn.run.launcher.processes import Processes
from ddnn.run.outcome import NodeState


class Standing:
    """By its process where it runs here, else by what is heard of it."""

    def __init__(
        self, collector: Collector, processes: Processes, remote: Collection[str], *, start_s: float
    ) -> None:
        """remote: nodes of other hosts. start_s: how long one may take to be heard first."""
        self._collector, self._processes = collector, processes
        self._remote, self._start_s = remote, start_s
        self.heard_s = time.monotonic()
        """Up to when messages were taken in: time spent elsewhere is no node's silence."""

    def of(self, name: str) -> NodeState:
        """As a report has it."""
        if name in self._remote:
            return NodeState(state="silent" if self.is_silent(name) else "running")
        return NodeState(
            state=self._processes.state(name),
            resident_mb=self._processes.resident_mb(name),
            limits={key: asdict(limit) for key, limit in self._processes.limits(name).items()},
        )

    def event(self, name: str) -> NodeEvent:
        """As whoever follows is told: a process that runs may still say nothing."""
        found = self.of(name)
        is_silent = found.state == "running" and self.is_silent(name)
        state = "silent" if is_silent else found.state
        return {"state": state, "resident_mb": found.resident_mb}

    def is_silent(self, name: str) -> bool:
        """Whether it is given up."""
        return not self._collector.liveness.is_alive(name, self.heard_s)

    def fell_silent(self, name: str, started_s: float) -> bool:
        """Whether one that was started then has been heard, and is no more."""
        return self._collector.liveness.fell_silent(
            name, self.heard_s, started_s=started_s, start_s=self._start_s
        )
