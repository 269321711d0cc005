"""Makes nodes fail and recover, and starts again those whose policy says so.

The one place that carries failures out: a plan's, and those of `ddnn fault` while it runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from ddnn.errors import DdnnError, LaunchError
from ddnn.nodes.collector import PAUSE_S
from ddnn.run.failures.orders import NO_ORDER, Order
from ddnn.run.failures.plan import SILENT, Failure
from ddnn.run.failures.restarts import Restarts
from ddnn.topology import Topology
from ddnn.wire.faulty import LINK_FAULT_KINDS


class Runs(Protocol):
    """What an operator needs of running nodes; ddnn.run.launcher.processes says what each means."""

    def pids(self) -> Mapping[str, int]: ...
    def is_running(self, node: str) -> bool: ...
    def kill(self, node: str) -> None: ...
    def restart(self, node: str) -> None: ...
    def hang(self, node: str) -> None: ...
    def resume(self, node: str) -> None: ...
    def tell(self, node: str, what: dict[str, Any], order: Order) -> None: ...


class Operator:
    """Knows which failures are in force. A kill or a hang is of a process, with all nodes in it."""

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
        self._packs = {name: topology.pack(name) for name in self._nodes}
        self._active: list[Order] = []
        self._first = {name: pack[0] for name, pack in self._packs.items()}
        policies = {name: topology.nodes[name].restart for name in set(self._first.values())}
        self._restarts = Restarts(policies)
        self._started_s: dict[str, float] = {}
        self._hung: dict[str, list[tuple[str, dict[str, object], Order]]] = {}
        """Processes that are stopped, by their first node, and what to say when they go on."""

    @property
    def unreachable(self) -> set[str]:
        """Nodes that cannot answer now, because of a failure in force or because they ended."""
        silenced = {
            name for o in self._active if _silences(o.failure) for name in self._hit(o.failure)
        }
        running = self._processes.pids().keys()
        return silenced | {name for name in self._nodes if name not in running}

    def takes_orders(self, node: str) -> bool:
        """Whether an order to it can be carried out now."""
        return self._first[node] not in self._hung and self._processes.is_running(node)

    def begin_by_hand(self, failure: Failure) -> Order:
        """As begin, for a person. Raises LaunchError where it would change nothing."""
        self.check_reach(failure)
        node, kind = failure.node, failure.kind
        runs = node is None or self._processes.is_running(node)
        if kind == "recover" and runs and not self._in_force(failure):
            raise LaunchError(f"{failure.where}: nothing fails there, no failure to recover from")
        if kind in ("kill", "hang") and not runs:
            raise LaunchError(f"{node}: is dead already, ddnn fault {node} recover starts it again")
        if kind == "hang" and self._first[failure.at_node] in self._hung:
            raise LaunchError(f"{node}: is stopped already, ddnn fault {node} recover resumes it")
        return self.begin(failure)

    def begin(self, failure: Failure) -> Order:
        """Makes it so. On a node that is dead, it takes hold when the node runs again."""
        node, order = failure.at_node, Order(failure)
        self.check_reach(failure)
        if failure.kind == "recover":
            self._recover(failure)
            order.confirm()
            return order
        self._active = [o for o in self._active if not _replaces(failure, o.failure)] + [order]
        if failure.kind == "kill":
            self._each(node, self._processes.kill)
            order.confirm()
        elif failure.kind == "hang":
            self._hung.setdefault(self._first[node], [])
            self._each(node, self._processes.hang)
            order.confirm()
        else:
            self._tell_failure(node, order)
        return order

    def whole_pack(self, failure: Failure) -> str:
        """A line for a person, where a failure of a node is one of others too; else empty."""
        others = [name for name in self._hit(failure) if name != failure.node]
        if not others:
            return ""
        return f"{failure.node}: a {failure.kind} is of its process, with {', '.join(others)} in it"

    def check_reach(self, failure: Failure) -> None:
        """Raises LaunchError for a node that runs on another host."""
        node = failure.at_node
        if node not in self._nodes:
            raise LaunchError(
                f"{node}: runs on host {self._topology.host(node)}, out of reach from here: want "
                f"`ddnn fault {failure.where} {failure.kind}` there"
            )

    def end(self, failure: Failure) -> Order:
        """Takes one failure back; another of its kind that is in force there stays."""
        order, found = Order(failure), [o for o in self._active if o.failure == failure]
        if not found:
            order.confirm()
            return order  # recovered before its time was over
        self._active.remove(found[0])
        node = failure.at_node
        left = [o for o in self._in_force(failure) if o.failure.kind == failure.kind]
        if left:
            self._tell_failure(node, left[-1])
            return left[-1]
        if failure.kind == "kill":
            self._restart(node)
        elif failure.kind == "hang":
            self._resume(node)
        elif failure.kind == "slow":
            self._tell(node, {"slow": 1.0}, order)
            return order
        else:
            self._tell(node, {"clear": failure.peer, "kind": failure.kind}, order)
            return order
        order.confirm()
        return order

    def _recover(self, recovery: Failure) -> None:
        """Takes back everything that was done to the node or link."""
        for order in self._in_force(recovery):
            if order.failure.kind != "kill":
                self.end(order.failure)
        if recovery.node is not None and not self._processes.is_running(recovery.node):
            self._restart(recovery.node)

    def _in_force(self, failure: Failure) -> list[Order]:
        """What holds where this failure is asked for; of a process, for whatever node of it."""
        return [
            order
            for order in self._active
            if order.failure.where == failure.where
            or (_is_of_process(order.failure) and failure.node in self._hit(order.failure))
        ]

    def _hit(self, failure: Failure) -> tuple[str, ...]:
        """The nodes that it concerns."""
        node = failure.at_node
        return self._packs[node] if _is_of_process(failure) else (node,)

    def _each(self, node: str, do: Callable[[str], object]) -> None:
        """For every node of its process."""
        for name in self._packs[node]:
            do(name)

    def due_restarts(
        self,
        silent: Callable[[str, float], bool],
        finished: Callable[[str], bool] = lambda _name: False,
    ) -> dict[str, str]:
        """Starts again the nodes that ended or fell silent where their policy says so, and by
        name, why it could not; empty: it could.

        silent: whether a node that was last started at that time fell silent since (-inf: it was
        never started again). finished: nodes that were told to end.
        """
        tried = {}
        for name in dict.fromkeys(self._first.values()):
            if finished(name):
                continue
            started_s = self._started_s.get(name, -math.inf)
            ended = any(
                not self._processes.is_running(each) or silent(each, started_s)
                for each in self._packs[name]
            )
            if self._restarts.is_due(name, self._clock(), has_ended=ended):
                tried[name] = self._try_to_restart(name)
        return tried

    def _try_to_restart(self, node: str) -> str:
        try:
            self._restart(node)
        except (DdnnError, OSError) as error:
            return str(error)
        self._restarts.count(node)
        return ""

    def due_s(self) -> float | None:
        """When a node is to be started again, None: none is."""
        return self._restarts.due_s()

    def pause_s(self, devices: Collection[str], returning: Iterable[str] = ()) -> float:
        """How long to wait for a device when none is heard: for ever where one is due back, not at
        all where a plan silences all of them until some sample.

        returning: those that a plan will start, or end a failure of, at some second.
        """
        if any(self._comes_back(name) for name in devices) or set(returning) & set(devices):
            return math.inf
        planned = {
            name
            for o in self._active
            if o.failure.at.sample is not None and _silences(o.failure)
            for name in self._hit(o.failure)
        }
        return 0.0 if planned.issuperset(devices) else PAUSE_S

    def _comes_back(self, node: str) -> bool:
        """Whether it is on another host, or its policy starts it again and nothing then silences
        it. A node that merely is not heard now may not come back."""
        if node not in self._nodes:
            return True
        lasting = [o.failure for o in self._active if node in self._hit(o.failure)]
        if any(_silences(f) and f.kind not in ("kill", "hang") for f in lasting):
            return False
        return self._restarts.is_left(self._first[node])

    def _restart(self, node: str) -> None:
        """A new process is neither dead nor stopped; what else is in force there, it is told."""
        pack, first = self._packs[node], self._first[node]
        self._active = [
            o
            for o in self._active
            if o.failure.at_node not in pack or not _is_of_process(o.failure)
        ]
        for _, _, order in self._hung.pop(first, []):
            order.confirm()  # the end of a failure: a new process has none; others it is told
        self._each(node, self._processes.kill)
        for name in pack:
            if not self._processes.is_running(name):
                self._processes.restart(name)
        self._started_s[first] = self._clock()
        for order in self._active:
            if order.failure.at_node in pack:
                self._tell_failure(order.failure.at_node, order)

    def _resume(self, node: str) -> None:
        said_meanwhile = self._hung.pop(self._first[node], [])
        self._each(node, self._processes.resume)
        for name, what, order in said_meanwhile:
            self._tell(name, what, order)

    def _tell_failure(self, node: str, order: Order) -> None:
        """Link faults and slowness are carried out in the node's own process."""
        failure = order.failure
        if failure.kind in LINK_FAULT_KINDS:
            fault = asdict(failure.link_fault())
            self._tell(node, {"set": failure.peer, "fault": fault}, order)
        elif failure.kind == "slow":
            self._tell(node, {"slow": failure.factor}, order)

    def _tell(self, node: str, what: dict[str, object], order: Order) -> None:
        if (first := self._first[node]) in self._hung:
            order.reason = f"{node} is stopped"
            self._hung[first].append((node, what, order))
        elif self._processes.is_running(node):
            order.reason = NO_ORDER
            self._processes.tell(node, what, order)
        elif order in self._active:
            order.reason = f"{node} is dead"
        else:
            order.confirm()  # the end of a failure, which ended with the process


def _is_of_process(failure: Failure) -> bool:
    return failure.kind in ("kill", "hang")


def _silences(failure: Failure) -> bool:
    """Whether nothing of what the node says arrives, or nothing on the way that the link is."""
    return failure.kind in SILENT or (failure.kind in ("drop", "corrupt") and failure.share == 1)


def _replaces(new: Failure, old: Failure) -> bool:
    """Whether the old one will never show again: nothing ends either, both are the same else."""
    endless = all(f.duration is None and f.at.sample is None for f in (new, old))
    return endless and (new.where, new.kind) == (old.where, old.kind)
