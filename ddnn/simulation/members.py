"""The processes of a simulation: nodes with their mailboxes, started, killed, stopped as told.

What ddnn.run.launcher.processes is for a launch. Axes: N samples, C channels, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.nodes.awake import Awake, most_of
from ddnn.nodes.base import Identity, Node
from ddnn.nodes.build import Equipment, build_node, patience_s, takeover_s
from ddnn.nodes.loop import send_account, step
from ddnn.run.failures.orders import Order
from ddnn.simulation.codec import Author, Parcel, ParcelCodec
from ddnn.simulation.loops import Cores, Loop
from ddnn.simulation.network import Network
from ddnn.simulation.promises import Promises
from ddnn.simulation.references import Loads
from ddnn.simulation.scheduler import Scheduler
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import FaultyTransport, emulated_faults
from ddnn.wire.messages import Message, row_count
from ddnn.wire.transport import Arrived, Mailbox, Received, Transport

DATA = 1
"""Digest of what the cameras recorded: there is one recording."""


class Watched(Mailbox):
    """A mailbox that is looked over its shoulder: what it moves takes time and is checked."""

    def __init__(
        self,
        name: str,
        codec: Codec,
        transport: Transport,
        *,
        boot: int,
        promises: Promises,
        turn_s: tuple[float, float, float],
        **named: Any,
    ) -> None:
        """turn_s: see Profile."""
        self._watching = _Watching(transport)
        super().__init__(name, codec, self._watching, boot=boot, **named)
        self._promises = promises
        self._boot_id = boot
        self._wake_s, self._message_s, self._row_s = turn_s
        self._spent_s = 0.0
        self._sign()

    def _sign(self) -> None:
        if isinstance(self._codec, ParcelCodec):
            self._codec = self._codec.of(Author(self.name, self._boot_id, self.run))

    def join(self, run: int) -> None:
        """See Mailbox."""
        super().join(run)
        self._sign()
        self._promises.joined(self.name, run)

    def send(self, peer: str, message: Message) -> bool:
        """See Mailbox."""
        taken = super().send(peer, message)
        self._spent_s += self._message_s + self._row_s * row_count(message)
        if taken:
            self._promises.sent(self.name, peer, message)
        return taken

    def receive(self, timeout_s: float) -> list[Received]:
        """See Mailbox."""
        received = super().receive(timeout_s)
        if not isinstance(self._codec, ParcelCodec):
            self._spent_s += self._message_s * len(self._watching.arrived)
            for sender, message in received:
                self._spent_s += self._row_s * row_count(message)
                self._promises.received(sender, self.name, message)
            return received
        messages = iter(received)
        believed = next(messages, None)
        for data, _ in self._watching.arrived:
            self._spent_s += self._message_s
            if not isinstance(data, Parcel):
                continue
            if believed is None or believed.message is not data.message:
                self._promises.refused(self.name, data)
                continue
            believed = next(messages, None)
            self._spent_s += self._row_s * row_count(data.message)
            self._promises.believed(self.name, boot=self._boot_id, run=self.run, parcel=data)
        return received

    def took_s(self) -> float:
        """What this turn took, waking up included; ends it."""
        took_s, self._spent_s = self._wake_s + self._spent_s, 0.0
        return took_s


class _Watching:
    """A transport that remembers what it handed over last."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.send = inner.send
        self.close = inner.close
        self.arrived: list[Arrived] = []

    def receive(self, timeout_s: float) -> list[Arrived]:
        """See Transport."""
        self.arrived = self._inner.receive(timeout_s)
        return self.arrived


class Member:
    """One start of a node."""

    def __init__(
        self,
        node: Node,
        mailbox: Watched,
        transport: FaultyTransport,
        loop: Loop,
        *,
        clock: Callable[[], float],
        offset_s: float,
        spent_s: Callable[[], float],
        most_s: float,
    ) -> None:
        """clock: the node's own, which is offset_s ahead of the scheduler's. spent_s: what its
        engines took since the last call. most_s: see Awake."""
        self.node = node
        self.mailbox = mailbox
        self.transport = transport
        self.loop = loop
        self.factor = 1.0
        self._clock = clock
        self._offset_s = offset_s
        self._spent_s = spent_s
        self._awake = Awake(most_s, clock)
        self._wait_s = 0.0

    def turn(self) -> float:
        """See Turns."""
        received = self.mailbox.receive(0)
        self._awake.look(self._wait_s)
        self._wait_s = 0.0
        step(self.node, self.mailbox, received, self._awake.now_s)
        if self.node.stopped:
            self.transport.end_faults()
            send_account(self.node, self.mailbox)
            self.loop.stop()
        return self.mailbox.took_s() + self.factor * self._spent_s()

    def due_s(self) -> float:
        """See Turns."""
        now_s, held_s = self._clock(), self.transport.due_s()
        self._wait_s = max(0.0, self.node.due_s() - self._awake.now_s)
        wait_s = self._wait_s if held_s is None else min(self._wait_s, held_s - now_s)
        return now_s - self._offset_s + wait_s


class Members:
    """All nodes. Does for an Operator what Processes does in a launch."""

    def __init__(
        self,
        bundle: Bundle,
        recorded: Mapping[str, NDArray[np.uint8]],
        *,
        scheduler: Scheduler,
        network: Network,
        codec: Codec,
        engines: Loads,
        promises: Promises,
        turn_s: tuple[float, float, float],
        host: Callable[[str], Cores | None],
        offset_s: Callable[[str], float],
        seed: int,
    ) -> None:
        """bundle, recorded: as nodes get them. host, offset_s: of a node, cores and clock."""
        self._bundle = bundle
        self._recorded = recorded
        self._scheduler = scheduler
        self._network = network
        self._codec = codec
        self._engines = engines
        self._promises = promises
        self._turn_s = turn_s
        self._host = host
        self._offset_s = offset_s
        self._seed = seed
        self._boots = count(1)
        self.running: dict[str, Member] = {}

    def start(self, name: str) -> None:
        """A new process."""
        topology, boot, offset_s = self._bundle.topology, next(self._boots), self._offset_s(name)
        host = self._host(name)
        loop = Loop(name, self._scheduler, self._network, host)

        def clock() -> float:
            return self._scheduler.now_s + offset_s

        transport = FaultyTransport(
            loop.end, name, seed=self._seed, clock=clock, head_bytes=self._codec.head_bytes
        )
        for peer, fault in emulated_faults(name, topology):
            transport.set(peer, fault)
        member = self.running[name] = Member(
            build_node(
                name,
                self._bundle,
                self._recorded.get(name),
                Equipment(
                    identity=Identity(boot=boot, data=DATA if name in self._recorded else 0),
                    load_engine=self._engines.load,
                    turn_rows=host.turn_rows if host else None,
                ),
            ),
            Watched(
                name,
                self._codec,
                transport,
                boot=boot,
                promises=self._promises,
                turn_s=self._turn_s,
                clock=clock,
                patience_s=takeover_s(topology),
            ),
            transport,
            loop,
            clock=clock,
            offset_s=offset_s,
            spent_s=self._engines.meter.take,
            most_s=most_of(patience_s(topology)),
        )
        self._promises.started(name, boot)
        loop.drive(member)

    def pids(self) -> Mapping[str, int]:
        """As Processes.pids: only who runs matters."""
        return dict.fromkeys(self.running, 0)

    def is_running(self, node: str) -> bool:
        """See Processes."""
        return node in self.running

    def kill(self, node: str) -> None:
        """See Processes."""
        member = self.running.pop(node, None)
        if member is not None:
            member.loop.stop()
            self._network.leave(node)
            self._promises.stopped(node, member.mailbox)

    def restart(self, node: str) -> None:
        """See Processes."""
        self.start(node)

    def hang(self, node: str) -> None:
        """See Processes: what is sent to it waits."""
        if node in self.running:
            self.running[node].loop.hangs = True

    def resume(self, node: str) -> None:
        """See Processes."""
        if node in self.running:
            self.running[node].loop.go_on()

    def tell(self, node: str, what: dict[str, Any], order: Order) -> None:
        """See Processes and the orders of ddnn.run.child.serve."""
        member = self.running[node]
        if not member.transport.obey(what):
            member.factor = float(what["slow"])
        order.confirm()
        member.loop.plan(self._scheduler.now_s)
