"""Runs a whole topology in one process: same nodes, same bytes, a clock that jumps.

The reference that launched runs are compared with, and the double of a launch in tests. Failures
are those of a plan, carried out by the same Operator as on real processes. Beside the simulator,
which looks sections up, takes time for everything and holds its own answers against an oracle,
this runs each section on the bytes that arrived, bit flips included, and takes no time: it is what
the oracle, and what a section takes, are themselves checked with.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.data.views import Views
from ddnn.nodes.base import Identity, Node
from ddnn.nodes.build import Equipment, LoadEngine, build_node, patience_s, takeover_s
from ddnn.nodes.engine import Engine
from ddnn.nodes.loop import send_account, send_all, step
from ddnn.nodes.recorder import Recorder
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.orders import Order
from ddnn.run.failures.plan import (
    Action,
    FailurePlan,
    actions,
    check_plan,
    plan_of,
    returning_nodes,
)
from ddnn.run.readiness import losses, unready
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import FaultyTransport, emulated_faults
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Roll
from ddnn.wire.transport import Mailbox

RUN = 1
"""The run's id: nobody else could be meant."""
READY_S = 60.0
"""How long nodes that come back are waited for, on the run's own clock."""
SECTION_S = 0.001
"""What a turn of a slowed node takes, before its factor; others take no time."""


def run_inprocess(
    bundle: Bundle,
    views: Views | NDArray[Any],
    *,
    window: int | None = None,
    plan: FailurePlan | None = None,
    network: MemoryNetwork | None = None,
    load_engine: LoadEngine = Engine,
) -> Recorder:
    """Every sample through every node. Returns the collector with verdicts and accounts.

    plan: what fails when; seconds are of the run's own clock, on which nothing but waiting and
    slowness takes time. network: what carries the bytes, None: one that leaves them as they are.
    load_engine: reads a section's or exit's file; whoever runs a bundle often may keep them.
    """
    plan = plan or plan_of(bundle.topology)
    views = Views.of(views)
    check_plan(plan, bundle.topology, len(views))
    network = network or MemoryNetwork()
    run = _InProcess(bundle, views, plan, window=window, network=network, load_engine=load_engine)
    return run.run()


@dataclass(slots=True)
class _Member:
    node: Node
    mailbox: Mailbox
    transport: FaultyTransport
    boot: int
    factor: float = 1.0
    hangs: bool = False
    busy_until_s: float = 0.0


class _Members:
    """The nodes of one process, with what Processes has for those of many."""

    def __init__(
        self,
        bundle: Bundle,
        views: Views,
        *,
        seed: int,
        clock: Callable[[], float],
        network: MemoryNetwork,
        load_engine: LoadEngine,
    ) -> None:
        self._bundle = bundle
        self._views = views
        self._seed = seed
        self._clock = clock
        self._codec = Codec(bundle.topology, bundle.session, bundle.tables)
        self._boots = count(1)
        self._network = network
        self._load_engine = load_engine
        self.collector_mailbox = Mailbox(
            COLLECTOR, self._codec, self._network.join(COLLECTOR), boot=RUN, clock=clock
        )
        self.collector_mailbox.join(RUN)
        self.running: dict[str, _Member] = {}
        for name in bundle.topology.nodes:
            self._start(name)

    def _start(self, name: str) -> None:
        topology, boot = self._bundle.topology, next(self._boots)
        views = None
        if name in topology.devices:
            views = self._views.arrays[topology.view_number(name)]
        node = build_node(
            name,
            self._bundle,
            views,
            Equipment(identity=Identity(boot=boot), load_engine=self._load_engine),
        )
        transport = FaultyTransport(
            self._network.join(name),
            name,
            seed=self._seed,
            clock=self._clock,
            head_bytes=self._codec.head_bytes,
        )
        for peer, fault in emulated_faults(name, topology):
            transport.set(peer, fault)
        mailbox = Mailbox(
            name,
            self._codec,
            transport,
            boot=boot,
            clock=self._clock,
            patience_s=takeover_s(topology),
        )
        self.running[name] = _Member(node, mailbox, transport, boot)

    def pids(self) -> Mapping[str, int]:
        """As Processes.pids: only who runs matters."""
        return {name: member.boot for name, member in self.running.items()}

    def is_running(self, node: str) -> bool:
        """See Processes."""
        return node in self.running

    def kill(self, node: str) -> None:
        """See Processes."""
        self._network.cut(node)
        self.running.pop(node, None)

    def restart(self, node: str) -> None:
        """See Processes."""
        self._network.heal(node)
        self._start(node)

    def hang(self, node: str) -> None:
        """See Processes: what is sent to it waits."""
        if node in self.running:
            self.running[node].hangs = True

    def resume(self, node: str) -> None:
        """See Processes."""
        if node in self.running:
            self.running[node].hangs = False

    def tell(self, node: str, what: dict[str, Any], order: Order) -> None:
        """See Processes and the orders of ddnn.run.child.serve."""
        member = self.running[node]
        if not member.transport.obey(what):
            member.factor = float(what["slow"])
        order.confirm()


class _InProcess:
    def __init__(
        self,
        bundle: Bundle,
        views: Views,
        plan: FailurePlan,
        *,
        window: int | None,
        network: MemoryNetwork,
        load_engine: LoadEngine,
    ) -> None:
        total = len(views)
        self._now_s = self._begun_s = 0.0
        self._topology = bundle.topology
        self._members = _Members(
            bundle,
            views,
            seed=plan.seed,
            clock=lambda: self._now_s,
            network=network,
            load_engine=load_engine,
        )
        self._operator = Operator(self._members, bundle.topology, clock=lambda: self._now_s)
        self._devices = bundle.topology.devices
        by_sample = [a for a in actions(plan) if a.sample is not None and a.sample < total]
        self._by_sample = by_sample
        self._timed = sorted((a for a in actions(plan) if a.seconds is not None), key=_seconds)
        self._collector = Recorder(
            bundle.topology,
            roll=Roll(RUN),
            samples=total,
            prior_class=bundle.manifest.prior_class,
            patience_s=patience_s(bundle.topology),
            window=window,
            halts=[action.sample for action in by_sample if action.sample is not None],
            asks=self._devices,
        )

    def run(self) -> Recorder:
        collector, mailbox = self._collector, self._members.collector_mailbox
        self._wait_ready(math.inf)
        self._begun_s = self._now_s
        while not collector.is_done:
            self._act()
            send_all(mailbox, collector.tick(self._now_s))
            if not self._turn():
                self._jump()
        for member in self._members.running.values():
            member.transport.end_faults()
            send_account(member.node, member.mailbox)
        self._receive()
        collector.accounts[COLLECTOR] = mailbox.ledger.account(run=RUN)
        return collector

    def _wait_ready(self, patience_s: float) -> None:
        """Until all nodes that can be reached take part in the run, or time is up."""
        wanted = set(self._topology.nodes) - self._operator.unreachable
        lost = losses(self._topology, wanted, self._operator.unreachable)
        end_s = self._now_s + patience_s
        self._collector.unreached.clear()
        while unready(self._collector.unreached, lost) and self._now_s < end_s:
            if not self._turn():
                self._jump()

    def _turn(self) -> bool:
        """One turn of every node, like processes side by side. Whether anything happened."""
        led = self._collector.lead(self._now_s)
        send_all(self._members.collector_mailbox, led)
        moved = bool(led)
        for member in list(self._members.running.values()):
            if member.hangs or self._now_s < member.busy_until_s:
                continue
            received = member.mailbox.receive(0)
            turned = step(member.node, member.mailbox, received, self._now_s)
            if turned and member.factor > 1:
                member.busy_until_s = self._now_s + SECTION_S * member.factor
            moved |= turned
        return self._receive() or moved

    def _receive(self) -> bool:
        received = self._members.collector_mailbox.receive(0)
        for sender, message in received:
            self._collector.handle(sender, message, self._now_s)
        return bool(received)

    def _act(self) -> None:
        while self._timed and self._begun_s + _seconds(self._timed[0]) <= self._now_s:
            self._carry_out(self._timed.pop(0))
        self._operator.due_restarts(self._fell_silent)
        returning = returning_nodes(self._timed)
        self._collector.pause_s = self._operator.pause_s(self._devices, returning)
        halted_at = self._collector.halted_at
        if halted_at is None:
            return
        due = [action for action in self._by_sample if action.sample == halted_at]
        for action in due:
            self._carry_out(action)
        if any(action.ends or action.failure.kind == "recover" for action in due):
            self._wait_ready(READY_S)
        self._collector.release()

    def _carry_out(self, action: Action) -> None:
        (self._operator.end if action.ends else self._operator.begin)(action.failure)

    def _fell_silent(self, name: str, started_s: float) -> bool:
        return self._collector.liveness.fell_silent(
            name, self._now_s, started_s=started_s, start_s=math.inf
        )

    def _jump(self) -> None:
        """Nothing can happen before the next deadline, heartbeat or release: go there."""
        times = [self._begun_s + _seconds(self._timed[0])] if self._timed else []
        for member in self._members.running.values():
            if not member.hangs:
                times.append(max(member.node.due_s(), member.busy_until_s))
            held_s = member.transport.due_s()
            times += [] if held_s is None else [held_s]
        times.append(self._collector.due_s(self._now_s))
        restart_s = self._operator.due_s()
        times += [] if restart_s is None else [restart_s]
        times = [time_s for time_s in times if time_s > self._now_s] or times
        self._now_s = max(self._now_s, min(times))


def _seconds(action: Action) -> float:
    return action.seconds or 0.0
