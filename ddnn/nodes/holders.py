"""Which exits may still answer, by who lives: what a collector knows of those that hold them."""

from __future__ import annotations

from ddnn.nodes.drafts import Found
from ddnn.nodes.liveness import Liveness
from ddnn.nodes.replicas import Shares
from ddnn.report.verdicts import NO_EXIT
from ddnn.topology import Tier, Topology


class Holders:
    """Of all exits, numbered from the one nearest to the devices."""

    def __init__(self, topology: Topology, liveness: Liveness) -> None:
        self.shares = Shares(topology, liveness)
        self._views = (1 << topology.views) - 1
        self._bypassable = [(name, topology.bypass_bit(name)) for name in topology.bypassable]
        self._names = [tier.exit.at for tier in topology.exits.values() if tier.exit]
        self._beyond = [self._next(topology, tier) for tier in topology.exits.values()]
        self._number = {name: number for number, name in enumerate(self._names)}

    def _next(self, topology: Topology, tier: Tier) -> set[str]:
        """Who may answer once this tier's exit was unsure: the next exit, and, where the tier's
        nodes have a fallback, the exit of the fallback's tier."""
        number = [t.name for t in topology.exits.values()].index(tier.name)
        fallbacks = {topology.nodes[name].fallback for name in topology.members(tier.name)}
        roles = {topology.nodes[name].role for name in fallbacks if name is not None}
        beyond = {t.exit.at for t in topology.tiers if t.exit and t.name in roles}
        return beyond | set(self._names[number + 1 : number + 2])

    def exit_of(self, node: str) -> int | None:
        """The number of the exit that the node, or the one whose replica it is, holds."""
        return self._number.get(self.shares.original(node))

    def is_last(self, exit_number: int) -> bool:
        """Nobody answers after this exit."""
        return exit_number == len(self._names) - 1

    def dead(self, now_s: float) -> set[str]:
        """Those that hold an exit and do not live."""
        return {name for name in self._names if not self.shares.is_alive(name, now_s)}

    def nobody_beyond(self, exit_number: int, dead: set[str]) -> bool:
        """No deeper exit can answer."""
        return self._beyond[exit_number] <= dead

    def is_doubtful(self, found: Found, before: Found, now_s: float) -> bool:
        """Whether it went past a node that lives, without all views of the answer before it."""
        wanted = self._views if before.exit == NO_EXIT else before.views & self._views
        return bool(wanted & ~found.views) and self.went_past_a_live_node(found, now_s)

    def went_past_a_live_node(self, found: Found, now_s: float) -> bool:
        """Whether a node that was gone past lives."""
        return any(
            found.views >> bit & 1 and self.shares.is_alive(name, now_s)
            for name, bit in self._bypassable
        )
