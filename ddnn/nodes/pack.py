"""Turns several nodes in one process: those of a topology's `pack`. One thread looks at all their
sockets, so that a small node costs its sockets and sections and no process.

Captures come to the first of the devices alone, which hands them to the others: one message a
process in place of one a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ddnn.nodes.awake import Awake
from ddnn.nodes.loop import send_account_so_far, step
from ddnn.nodes.ready import Packed, Ready
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Capture
from ddnn.wire.transport import Received


class Pack:
    """See the module."""

    def __init__(
        self, members: Sequence[Packed], *, patience_s: float, account_s: float = math.inf
    ) -> None:
        """patience_s, account_s: as for run_node."""
        self._members = list(members)
        self._others = {member: [m for m in members if m is not member] for member in members}
        self._awake = Awake.with_patience(patience_s)
        self._ready = Ready(members, self._awake)
        self._account_s = self._account_due_s = account_s

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Turns until the collector has told each node to stop, or should_stop says so."""
        while self._members and not should_stop():
            for member in self._ready.wait():
                self._turn(member, self._awake.now_s)
            if self._awake.now_s >= self._account_due_s:
                self._account_due_s = self._awake.now_s + self._account_s
                for member in self._members:
                    send_account_so_far(member.node, member.mailbox)
        for member in self._members:
            member.finish()

    def _turn(self, member: Packed, now_s: float) -> None:
        received = member.mailbox.receive(0)
        self._share(member, received, now_s)
        step(member.node, member.mailbox, received, now_s)
        self._ready.turned(member)
        if member.node.stopped:
            self._end(member)

    def _end(self, member: Packed) -> None:
        """Its account goes out, and nobody turns it any more."""
        self._members.remove(member)
        self._ready.remove(member)
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
