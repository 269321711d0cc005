"""Makes nodes fail and recover, and starts again those whose policy says so.

The one place that carries failures out: a plan's, and those of `ddnn fault` while it runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from ddnn.errors import LaunchError
from ddnn.run.plan import SILENT, Failure
from ddnn.topology import Topology
from ddnn.wire.faulty import LINK_FAULT_KINDS

RESTART_PAUSE_S = 0.5
"""A node is not started again sooner than this after its last start."""


class Runs(Protocol):
    """What an operator needs of running nodes; ddnn.run.processes says what each means."""

    def pids(self) -> Mapping[str, int]: ...
    def is_running(self, node: str) -> bool: ...
    def kill(self, node: str) -> None: ...
    def restart(self, node: str) -> None: ...
    def hang(self, node: str) -> None: ...
    def resume(self, node: str) -> None: ...
    def order(self, node: str, order: dict[str, Any]) -> None: ...


class Operator:
    """Knows which failures are in force."""

    def __init__(
        self,
        processes: Runs,
        topology: Topology,
        *,
        clock: Callable[[], float] = time.monotonic,
        nodes: Sequence[str] | None = None,
    ) -> None:
        """nodes: those that run here, None: all. The others are out of its reach."""
        self._nodes = tuple(topology.nodes) if nodes is None else tuple(nodes)
        self._processes = processes
        self._clock = clock
        self._topology = topology
        self._active: list[Failure] = []
        self._restarts: dict[str, int] = {}
        self._begun_s = clock()
        self._started_s: dict[str, float] = {}
        self._hung: dict[str, list[dict[str, object]]] = {}  # and what to say when it goes on

    @property
    def unreachable(self) -> set[str]:
        """Nodes that cannot answer now, because of a failure in force or because they ended."""
        silenced = {failure.at_node for failure in self._active if _silences(failure)}
        running = self._processes.pids().keys()
        return silenced | {name for name in self._nodes if name not in running}

    def begin_by_hand(self, failure: Failure) -> None:
        """As begin, for a person. Raises LaunchError where it would change nothing."""
        self.check_reach(failure)
        node, kind = failure.node, failure.kind
        runs = node is None or self._processes.is_running(node)
        if kind == "recover" and runs and not self._in_force(failure.where):
            raise LaunchError(f"{failure.where}: nothing fails there, no failure to recover from")
        if kind in ("kill", "hang") and not runs:
            raise LaunchError(f"{node}: is dead already, ddnn fault {node} recover starts it again")
        if kind == "hang" and node in self._hung:
            raise LaunchError(f"{node}: is stopped already, ddnn fault {node} recover resumes it")
        self.begin(failure)

    def begin(self, failure: Failure) -> None:
        """Makes it so. On a node that is dead, it takes hold when the node runs again."""
        node = failure.at_node
        self.check_reach(failure)
        if failure.kind == "recover":
            self._recover(failure)
            return
        self._active.append(failure)
        if failure.kind == "kill":
            self._processes.kill(node)
        elif failure.kind == "hang":
            self._hung.setdefault(node, [])
            self._processes.hang(node)
        else:
            self._order(node, failure)

    def check_reach(self, failure: Failure) -> None:
        """Raises LaunchError for a node that runs on another host."""
        node = failure.at_node
        if node not in self._nodes:
            raise LaunchError(
                f"{node}: runs on host {self._topology.host(node)}, out of reach from here: want "
                f"`ddnn fault {failure.where} {failure.kind}` there"
            )

    def end(self, failure: Failure) -> None:
        """Takes one failure back; another of its kind that is in force there stays."""
        if failure not in self._active:
            return  # recovered before its time was over
        self._active.remove(failure)
        node = failure.at_node
        left = [other for other in self._in_force(failure.where) if other.kind == failure.kind]
        if left:
            self._order(node, left[-1])
        elif failure.kind == "kill":
            self._restart(node)
        elif failure.kind == "hang":
            self._resume(node)
        elif failure.kind == "slow":
            self._say(node, {"slow": 1.0})
        else:
            self._say(node, {"clear": failure.peer, "kind": failure.kind})

    def _recover(self, recovery: Failure) -> None:
        """Takes back everything that was done to the node or link."""
        for failure in self._in_force(recovery.where):
            if failure.kind != "kill":
                self.end(failure)
        if recovery.node is not None and not self._processes.is_running(recovery.node):
            self._restart(recovery.node)

    def _in_force(self, where: str) -> list[Failure]:
        return [failure for failure in self._active if failure.where == where]

    def due_restarts(
        self,
        silent: Callable[[str, float], bool],
        finished: Callable[[str], bool] = lambda _name: False,
    ) -> list[str]:
        """Starts again the nodes that ended or fell silent where their policy says so.

        silent: whether a node that was last started at that time fell silent since (-inf: it was
        never started again). finished: nodes that were told to end.
        """
        started = []
        for name in self._nodes:
            node = self._topology.nodes[name]
            if finished(name):
                continue
            most = {"never": 0, "always": None}.get(str(node.restart), node.restart)
            started_s = self._started_s.get(name, -math.inf)
            ended = not self._processes.is_running(name) or silent(name, started_s)
            spent = most is not None and self._restarts.get(name, 0) >= int(most)
            early = self._clock() < max(started_s, self._begun_s) + RESTART_PAUSE_S
            if not ended or spent or early:
                continue
            self._restarts[name] = self._restarts.get(name, 0) + 1
            self._restart(name)
            started.append(name)
        return started

    def _restart(self, node: str) -> None:
        """A new process is neither dead nor stopped; what else is in force there, it is told."""
        self._active = [
            f for f in self._active if f.at_node != node or f.kind not in ("kill", "hang")
        ]
        self._hung.pop(node, None)
        self._processes.kill(node)
        self._processes.restart(node)
        self._started_s[node] = self._clock()
        for failure in self._active:
            if failure.at_node == node:
                self._order(node, failure)

    def _resume(self, node: str) -> None:
        said_meanwhile = self._hung.pop(node, [])
        self._processes.resume(node)
        for order in said_meanwhile:
            self._say(node, order)

    def _order(self, node: str, failure: Failure) -> None:
        """Link faults and slowness are carried out in the node's own process."""
        if failure.kind in LINK_FAULT_KINDS:
            self._say(node, {"set": failure.peer, "fault": asdict(failure.link_fault())})
        elif failure.kind == "slow":
            self._say(node, {"slow": failure.factor})

    def _say(self, node: str, order: dict[str, object]) -> None:
        if node in self._hung:
            self._hung[node].append(order)
        elif self._processes.is_running(node):
            self._processes.order(node, order)


def _silences(failure: Failure) -> bool:
    """Whether nothing of what the node says arrives, or nothing on the way that the link is."""
    return failure.kind in SILENT or (failure.kind in ("drop", "corrupt") and failure.share == 1)
