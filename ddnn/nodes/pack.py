"""Turns several nodes in one process: those of a topology's `pack`. One thread looks at all their
sockets, so that a small node costs its sockets and sections and no process.

Captures come to the first of the devices alone, which hands them to the others: one message a
process in place of one a device.
"""

from __future__ import annotations

import math
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ddnn.nodes.awake import Awake
from ddnn.nodes.base import Node
from ddnn.nodes.loop import send_account_so_far, step
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Capture
from ddnn.wire.transport import Mailbox, Received

LOOK_S = 0.1
"""Every mailbox is looked at so often, whether or not its descriptors say that something came."""
MANY = 128
"""Messages after which there may be more: a mailbox hands over so many at once at least."""


@dataclass(slots=True, eq=False)
class Packed:
    """One node, its way to the others and what says that something came.

    held_s: when a message that waits in the mailbox's transport is due, None: none does. finish:
    called once, when the node has stopped.
    """

    node: Node
    mailbox: Mailbox
    descriptors: Sequence[int]
    held_s: Callable[[], float | None]
    finish: Callable[[], None]
    due_s: float = field(default=0.0)

    def look_ahead(self) -> None:
        """Notes when it is to be turned though no message comes."""
        held_s = self.held_s()
        due_s = self.node.due_s()
        self.due_s = due_s if held_s is None else min(due_s, held_s)


class Pack:
    """See the module."""

    def __init__(
        self, members: Sequence[Packed], *, patience_s: float, account_s: float = math.inf
    ) -> None:
        """patience_s, account_s: as for run_node."""
        self._members = list(members)
        self._others = {member: [m for m in members if m is not member] for member in members}
        self._awake = Awake.with_patience(patience_s)
        self._by_descriptor = {d: member for member in members for d in member.descriptors}
        self._watched = select.poll()
        for descriptor in self._by_descriptor:
            self._watched.register(descriptor, select.POLLIN)
        self._more: set[Packed] = set(members)
        self._looked_s = self._awake.now_s
        self._account_s = self._account_due_s = account_s

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Turns until the collector has told each node to stop, or should_stop says so."""
        while self._members and not should_stop():
            for member in self._wait():
                self._turn(member, self._awake.now_s)
            if self._awake.now_s >= self._account_due_s:
                self._account_due_s = self._awake.now_s + self._account_s
                for member in self._members:
                    send_account_so_far(member.node, member.mailbox)
        for member in self._members:
            member.finish()

    def _wait(self) -> list[Packed]:
        """Those to turn, in order: something came, or something is due."""
        now_s = self._awake.now_s
        due_s = min(self._looked_s + LOOK_S, *(member.due_s for member in self._members))
        wait_s = 0.0 if self._more else max(0.0, due_s - now_s)
        told = self._watched.poll(1000 * wait_s)
        self._awake.look(wait_s)
        ready = self._more | {self._by_descriptor[descriptor] for descriptor, _ in told}
        self._more = set()
        now_s = self._awake.now_s
        if now_s >= self._looked_s + LOOK_S:
            self._looked_s = now_s
            return list(self._members)
        return [member for member in self._members if member in ready or now_s >= member.due_s]

    def _turn(self, member: Packed, now_s: float) -> None:
        received = member.mailbox.receive(0)
        if len(received) >= MANY:
            self._more.add(member)
        self._share(member, received, now_s)
        step(member.node, member.mailbox, received, now_s)
        member.look_ahead()
        if member.node.stopped:
            self._end(member)

    def _end(self, member: Packed) -> None:
        """Its account goes out, and nobody turns it any more."""
        self._members.remove(member)
        self._more.discard(member)
        for descriptor in member.descriptors:
            self._watched.unregister(descriptor)
        member.finish()

    def _share(self, member: Packed, received: Sequence[Received], now_s: float) -> None:
        """Captures, to those that take part in the same run."""
        for sender, message in received:
            if sender != COLLECTOR or not isinstance(message, Capture):
                continue
            for other in self._others[member]:
                if other.node.run == member.node.run:
                    other.node.handle(sender, message, now_s)
                    other.due_s = now_s
