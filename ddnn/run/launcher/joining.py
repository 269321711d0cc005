"""When the nodes of a launch are ready, at its beginning and after some came back."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ddnn.errors import LaunchError
from ddnn.nodes.collector import Collector
from ddnn.run.failures.operator import Operator
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.standing import Standing
from ddnn.run.readiness import losses, wait_ready
from ddnn.topology import Topology
from ddnn.wire.transport import Mailbox


class Joining:
    """Waits for nodes here and on other hosts."""

    def __init__(
        self,
        topology: Topology,
        collector: Collector,
        mailbox: Mailbox,
        *,
        processes: Processes,
        operator: Operator,
        standing: Standing,
        remote: Collection[str],
        timeout_s: float,
        turn: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """remote: nodes of other hosts. turn: takes in what arrives."""
        self._topology, self._collector, self._mailbox = topology, collector, mailbox
        self._processes, self._operator, self._standing = processes, operator, standing
        self._remote, self._timeout_s = frozenset(remote), timeout_s
        self._turn, self._say = turn, say
        self._has_joined = False

    def wait(self) -> None:
        """Until all nodes that can be reached reach all that run, and are reached by us.

        Raises LaunchError naming one that does not.
        """
        silent = {n for n in self._remote if self._has_joined and self._standing.is_silent(n)}
        running = set(self._processes.pids()) | self._remote - silent
        dead = set(self._topology.nodes) - running
        wanted = set(self._topology.nodes) - self._operator.unreachable - silent
        self._collector.unreached.clear()
        wait_ready(
            self._collector,
            self._mailbox,
            self._topology,
            losses(self._topology, wanted, dead | self._operator.unreachable),
            turn=lambda: self._turn_unless_ended(wanted),
            timeout_s=self._timeout_s,
            say=self._say,
        )
        self._has_joined = True

    def wait_back(self) -> None:
        """For nodes that come back: one that does not ends no run, since silence is what deadlines
        are for."""
        try:
            self.wait()
        except LaunchError as error:
            self._say(f"going on without: {error}")

    def _turn_unless_ended(self, wanted: set[str]) -> None:
        self._turn()
        for name in wanted & set(self._processes.stopped()):
            raise LaunchError(f"{name} did not start: {self._processes.last_words(name)}")
