"""Who takes part in a run: calls those who do not, and tells all that it goes on. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ddnn.nodes.base import HELLO_S, LEAD_S, Outgoing
from ddnn.wire.messages import Heartbeat, Hello, Roll


class RollCall:
    """Leads a run for its collector.

    unreached: how many of its neighbours each node that takes part does not reach or hear, by its
    latest heartbeat. other_data: digests of those who said hello with other samples.
    """

    def __init__(self, nodes: Sequence[str], roll: Roll, heartbeat_s: float) -> None:
        """roll: what the nodes are called into. heartbeat_s: time between two calls at least,
        HELLO_S where that is less."""
        self.roll = roll
        self.unreached: dict[str, int] = {}
        self.other_data: dict[str, int] = {}
        self._nodes = tuple(nodes)
        self._call_each_s = min(heartbeat_s, HELLO_S)
        self._boots: dict[str, int] = {}  # of all who ever took part
        self._to_call = set(nodes)
        self._call_s = self._lead_s = -math.inf  # when to, next

    def answer(self, sender: str, hello: Hello) -> None:
        """A node that sees other samples is remembered; another is called, unless it takes part."""
        if hello.data not in (0, self.roll.data):
            self.other_data[sender] = hello.data
            return
        self.other_data.pop(sender, None)
        if hello.run != self.roll.run:
            self._to_call.add(sender)

    def hear(self, sender: str, beat: Heartbeat) -> bool:
        """Of a node that takes part. Returns whether it did before, as another start of itself."""
        self.unreached[sender] = beat.unreached
        before = self._boots.get(sender)
        if before != beat.boot:
            self._boots[sender] = beat.boot
            self._to_call |= self._boots.keys()  # the others are to greet it
        return before not in (None, beat.boot)

    def lead(self, now_s: float) -> list[Outgoing]:
        """What is to be sent now."""
        outgoing = []
        if now_s >= self._call_s and self._waits:
            missing = {name for name in self._nodes if name not in self._boots}
            outgoing = [Outgoing(name, self.roll) for name in sorted(self._to_call | missing)]
            self._to_call.clear()
            self._call_s = now_s + self._call_each_s
        if now_s >= self._lead_s:
            beat = Heartbeat(boot=self.roll.run)
            outgoing += [Outgoing(name, beat) for name in self._nodes if name in self._boots]
            self._lead_s = now_s + LEAD_S
        return outgoing

    def due_s(self) -> float:
        """When `lead` is due though no message comes."""
        return min(self._lead_s, self._call_s) if self._waits else self._lead_s

    @property
    def _waits(self) -> bool:
        return bool(self._to_call) or len(self._boots) < len(self._nodes)
