"""Where nodes and links of a topology are drawn: follows from the topology alone, so that nothing
moves when a node dies or comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

from ddnn.topology import COLLECTOR, DEVICE, GATEWAY, Topology
from ddnn.wire.messages import Kind
from ddnn.wire.routes import routes

DRAWN = {Kind.SCORES: "scores", Kind.FEATURES: "features", Kind.VERDICT: "verdicts"}
"""Kinds of which a link is drawn; asking and heartbeats go the same ways, or back."""
VERDICTS = "verdicts"
"""Where they arrive, in place of a tier's name."""
ASIDE = 1.25
"""How far a gateway stands beside the middle, and half as far what is above on the other side: so
that no link is hidden behind a node that it passes."""
MAX_ROWS = 8
"""Nodes of a tier in one line; more make another line beside it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of a node: rank is the line it stands in, from the devices on; x and y in units of one node,
    tiers from left to right."""

    rank: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class DrawnLink:
    """sender and receiver, and what goes there."""

    sender: str
    receiver: str
    carries: tuple[str, ...]

    @property
    def name(self) -> str:
        """As failures name a link."""
        return f"{self.sender}:{self.receiver}"


def ranks(topology: Topology) -> list[tuple[str, tuple[str, ...]]]:
    """The lines of nodes from the devices on: title, names. Gateways stand where their exit's tier
    ends; the collector is last."""
    gateways = {
        tier.name: tuple(
            name
            for name, node in topology.nodes.items()
            if node.role == GATEWAY and tier.exit is not None and tier.exit.at == name
        )
        for tier in topology.tiers
    }
    found: list[tuple[str, tuple[str, ...]]] = []
    for tier in topology.tiers:
        members = topology.devices if tier.name == DEVICE else topology.members(tier.name)
        found.append((tier.name, members))
        if gateways[tier.name]:
            found.append((GATEWAY, gateways[tier.name]))
    placed = {name for _, names in found for name in names}
    idle = tuple(name for name in topology.nodes if name not in placed)
    return [*found, *([("other", idle)] if idle else []), (VERDICTS, (COLLECTOR,))]


def places(topology: Topology) -> dict[str, Place]:
    """Every node's, and the collector's."""
    found: dict[str, Place] = {}
    lines = ranks(topology)
    tallest = min(MAX_ROWS, max(len(names) for _, names in lines))
    x = 0.0
    for rank, (title, names) in enumerate(lines):
        rows = min(MAX_ROWS, len(names))
        columns = -(-len(names) // MAX_ROWS)
        for place, name in enumerate(names):
            column, row = divmod(place, MAX_ROWS)
            middle = (tallest - rows) / 2
            y = min(max(row + middle + _aside(title, tallest), 0.0), tallest - 1.0)
            found[name] = Place(rank, x + column * 0.5, y)
        x += 1 + (columns - 1) * 0.5
    return found


def _aside(title: str, tallest: int) -> float:
    if title in (DEVICE, VERDICTS) or tallest < 3:
        return 0.0
    return -ASIDE if title == GATEWAY else ASIDE / 2


def drawn_links(topology: Topology) -> list[DrawnLink]:
    """Links that carry scores, features or verdicts, in a fixed order."""
    found: dict[tuple[str, str], list[str]] = {}
    for sender, receiver, kind in sorted(routes(topology)):
        if kind in DRAWN:
            found.setdefault((sender, receiver), []).append(DRAWN[kind])
    order = [*topology.section_nodes, *topology.nodes]
    keys = sorted(found, key=lambda link: (order.index(link[0]), link[1]))
    return [DrawnLink(*key, tuple(found[key])) for key in keys]
