"""Which of the nodes that share a process and a thread are to be turned now."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ddnn.nodes.awake import Awake
from ddnn.nodes.base import Node
from ddnn.wire.transport import Mailbox

LOOK_S = 1.0
"""Every mailbox is looked at so often, whether or not its descriptors say that something came."""


@dataclass(slots=True, eq=False)
class Packed:
    """One node, its way to the others and what says that something came.

    held_s: when a message that waits in the mailbox's transport is due, None: none does. has_more:
    whether the mailbox left something when it was looked at last. finish: its account, to the
    collector.
    """

    node: Node
    mailbox: Mailbox
    descriptors: Sequence[int]
    held_s: Callable[[], float | None]
    has_more: Callable[[], bool]
    finish: Callable[[], None]
    due_s: float = field(default=0.0)

    def look_ahead(self) -> None:
        """Notes when it is to be turned though no message comes."""
        held_s = self.held_s()
        due_s = self.node.due_s()
        self.due_s = due_s if held_s is None else min(due_s, held_s)


class Ready:
    """Waits for all of them at once."""

    def __init__(self, members: Iterable[Packed], awake: Awake) -> None:
        self._members: list[Packed] = []
        self._awake = awake
        self._by_descriptor: dict[int, Packed] = {}
        self._watched = select.poll()
        self._more: set[Packed] = set()
        self._looked_s = awake.now_s
        for member in members:
            self.add(member)

    def add(self, member: Packed) -> None:
        """It comes at once."""
        self._members.append(member)
        self._more.add(member)
        for descriptor in member.descriptors:
            self._by_descriptor[descriptor] = member
            self._watched.register(descriptor, select.POLLIN)

    def wait(self, *, at_once: bool = False) -> list[Packed]:
        """Those to turn, in order: something came, or something is due. at_once: does not wait."""
        now_s = self._awake.now_s
        due_s = min([self._looked_s + LOOK_S, *(member.due_s for member in self._members)])
        wait_s = 0.0 if self._more or at_once else max(0.0, due_s - now_s)
        told = self._watched.poll(1000 * wait_s)
        self._awake.look(wait_s)
        ready = self._more | {self._by_descriptor[descriptor] for descriptor, _ in told}
        self._more = set()
        now_s = self._awake.now_s
        if now_s >= self._looked_s + LOOK_S:
            self._looked_s = now_s
            return list(self._members)
        return [member for member in self._members if member in ready or now_s >= member.due_s]

    def turned(self, member: Packed) -> None:
        """It was turned: it comes again at once where its mailbox has more."""
        member.look_ahead()
        if member.has_more():
            self._more.add(member)

    def remove(self, member: Packed) -> None:
        """Nobody waits for it any more."""
        self._members.remove(member)
        self._more.discard(member)
        for descriptor in member.descriptors:
            del self._by_descriptor[descriptor]
            self._watched.unregister(descriptor)
