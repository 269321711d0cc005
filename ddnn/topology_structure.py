"""Tiers and nodes as a whole: who feeds whom, what shapes and bytes follow.

Axes: N samples, V views, K classes, C image channels, F filters, H, W.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from pydantic import Field

from ddnn.blocks import Model, Own, Section, Shape
from ddnn.topology_parts import (
    COLLECTOR,
    DEVICE,
    MAX_NODES,
    SCORE_BYTES,
    ClassNames,
    Collector,
    FeatureCode,
    Heartbeat,
    Link,
    Name,
    Node,
    OwnView,
    ScoreType,
    Security,
    Tier,
    View,
)


class Structure(Model):
    """A topology whose parts are checked, but not yet whether they fit together."""

    name: Name = Field(description="shown in reports")
    classes: ClassNames = Field(description="what a sample may show, each once")
    view: View = Field(View(), description="what a device sees that says nothing of its own")
    tiers: tuple[Tier, ...] = Field(
        strict=False, min_length=2, max_length=16, description="from the devices to the cloud"
    )
    collector: Collector = Field(description="who asks for samples and takes the verdicts")
    nodes: dict[Name, Node] = Field(
        min_length=2, max_length=MAX_NODES, description="by name: lower-case letters, digits, _ -"
    )
    links: tuple[Link, ...] = Field(
        (), strict=False, max_length=MAX_NODES, description="links that are to be slow or lossy"
    )
    heartbeat: Heartbeat = Field(Heartbeat(), description="how a silent node is noticed")
    security: Security = Field(Security(), description="whether connections are encrypted")

    @property
    def views(self) -> int:
        """V, the number of views."""
        return len(self.devices)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices in the order of their views."""
        names = self.members(DEVICE)
        known = {self.nodes[name].view_index: name for name in names}
        known.pop(None, None)
        left = (name for name in names if self.nodes[name].view_index is None)
        return tuple(known[v] if v in known else next(left) for v in range(len(names)))

    @property
    def skips_absent(self) -> bool:
        """A device says of a black view only that there is nothing to see."""
        return self.tiers[0].absent == "skip"

    def tier(self, name: str) -> Tier:
        """The tier of this name."""
        return next(tier for tier in self.tiers if tier.name == name)

    def members(self, tier: str) -> tuple[str, ...]:
        """Names of the nodes that run the tier's section, in file order; no replicas."""
        return tuple(
            name
            for name, node in self.nodes.items()
            if node.role == tier and node.replica_of is None
        )

    def original(self, name: str) -> str:
        """The node that this one is a replica of; its own name where it is none."""
        node = self.nodes.get(name)
        return name if node is None else node.replica_of or name

    def replicas(self, name: str) -> tuple[str, ...]:
        """The node itself and the other processes that share its samples."""
        return (name, *(n for n, node in self.nodes.items() if node.replica_of == name))

    def children(self, name: str) -> tuple[str, ...]:
        """Names of the nodes whose features go to `name`: devices by view, others in file order.

        Those that have it as fallback come last.
        """
        name = self.original(name)
        upper = (n for n, node in self.nodes.items() if node.role != DEVICE)
        below = (*self.devices, *(n for n in upper if self.nodes[n].replica_of is None))
        own = tuple(child for child in below if self.nodes[child].parent == name)
        return own + tuple(child for child in below if self.nodes[child].fallback == name)

    def stands_in(self, name: str) -> tuple[int | None, ...]:
        """For each child of `name` that has it as fallback: the place, among those children, of
        the parent that it stands in for. None for the others."""
        name, children = self.original(name), self.children(name)
        return tuple(
            children.index(self.nodes[child].parent or "")
            if self.nodes[child].fallback == name
            else None
            for child in children
        )

    @property
    def bypassable(self) -> tuple[str, ...]:
        """Nodes that somebody's fallback leads past, lowest tier first."""
        past = {node.parent for node in self.nodes.values() if node.fallback is not None}
        return tuple(name for name in self.section_nodes if name in past)

    def links_from(self, name: str) -> dict[str, Link]:
        """The emulated links of what a node sends, by receiver.

        One that names a node with replicas holds for all of them, but for those that another link
        names.
        """
        found: dict[str, Link] = {}
        closest: dict[str, int] = {}
        for link in self.links:
            if link.sender not in (name, self.original(name)):
                continue
            for receiver in self._receivers(link):
                close = (link.sender == name) + (link.receiver == receiver)
                if close > closest.get(receiver, -1):
                    found[receiver], closest[receiver] = link, close
        return found

    def _receivers(self, link: Link) -> tuple[str, ...]:
        if link.receiver == COLLECTOR or self.nodes[link.receiver].replica_of is not None:
            return (link.receiver,)
        return self.replicas(link.receiver)

    def pack(self, name: str) -> tuple[str, ...]:
        """The nodes of its process in file order, itself among them."""
        node = self.nodes[name]
        if node.pack is False:
            return (name,)
        same = (node.host, node.pack)
        return tuple(n for n, other in self.nodes.items() if (other.host, other.pack) == same)

    @property
    def asked_devices(self) -> tuple[str, ...]:
        """Who gets captures: of the devices that share a process the first, for all of them."""
        first = {self.pack(name): name for name in reversed(self.devices)}
        return tuple(name for name in self.devices if first[self.pack(name)] == name)

    def section(self, name: str) -> Section:
        """The section that the node runs."""
        node = self.nodes[name]
        return node.section or self.tier(node.role).section

    @property
    def aggregators(self) -> dict[str, str]:
        """Names of those that are used, by key path."""
        maps = {f"tiers.{n}.aggregator": tier.aggregator for n, tier in enumerate(self.tiers)}
        exits = {
            f"tiers.{number}.exit.aggregator": tier.exit.aggregator
            for number, tier in enumerate(self.tiers)
            if tier.exit is not None
        }
        return maps | exits

    @property
    def has_modules(self) -> bool:
        """Whether a section or an exit holds a module of the user's."""
        blocks = [block for name in self.section_nodes for block in self.section(name).blocks]
        blocks += [block for tier in self.tiers if tier.exit for block in tier.exit.blocks]
        return any(isinstance(block, Own) for block in blocks)

    @property
    def unmeasured(self) -> frozenset[str]:
        """Nodes of which not all shapes are known: before training, what a module gives is not."""
        found: set[str] = set()
        for name in self.section_nodes:
            rule = self.tier(self.nodes[name].role).exit
            section = self.section(name)
            if not section.is_measured or (rule and not rule.head(section).is_measured):
                found.add(name)
        while above := {up for n in found for up in self._above(n)} - found:
            found |= above
        return frozenset(found)

    def _above(self, name: str) -> set[str]:
        node = self.nodes[name]
        return {up for up in (node.parent, node.fallback) if up is not None}

    @property
    def section_nodes(self) -> tuple[str, ...]:
        """Nodes with a section, lowest tier first, devices by view."""
        upper = (name for tier in self.tiers[1:] for name in self.members(tier.name))
        return (*self.devices, *upper)

    @property
    def exits(self) -> dict[str, Tier]:
        """Tiers that have an exit, lowest first, by exit name: local, then the tier's name."""
        return {exit_name(tier.name): tier for tier in self.tiers if tier.exit is not None}

    def input_shape(self, name: str, known: Mapping[str, Shape] | None = None) -> Shape:
        """What the node's blocks get: its view, or its children's maps fused.

        known: what the children give, where the topology does not say it yet.
        """
        node = self.nodes[name]
        if node.role == DEVICE:
            return self.view_of(name).shape
        shapes = [
            self.feature_shape(child) if known is None else known[child]
            for child in self.children(name)
        ]
        if self.tier(node.role).aggregator == "concat":
            return Shape.joined(shapes)
        return shapes[0]

    def view_of(self, device: str) -> View:
        """What the device sees: its own kind of view, else the topology's."""
        own = self.nodes[device].view
        return own if isinstance(own, OwnView) else self.view

    def view_number(self, device: str) -> int:
        """Which view of the data the device sees, from 0 on."""
        index = self.nodes[device].view_index
        return self.devices.index(device) if index is None else index

    @property
    def view_bytes(self) -> float:
        """Bytes of a view as its sensor gives it, the mean over devices."""
        total = sum(self.view_of(device).bytes for device in self.devices)
        return total // self.views if total % self.views == 0 else total / self.views

    def feature_shape(self, name: str) -> Shape:
        """Shape of the features that the node can send up."""
        return self.section(name).output(self.input_shape(name))

    def feature_bytes(self, name: str) -> int:
        """Payload of one sample's features, not coded: f*o/8 for 1 bit (paper, equation 1)."""
        return math.ceil(self.feature_shape(name).values * self.section(name).sent_bits / 8)

    def feature_code(self, name: str) -> FeatureCode:
        """How the node's features travel; raw-bits where it sends none."""
        node = self.nodes[name]
        return "raw-bits" if node.parent is None else self.tier(node.role).features

    def score_type(self, name: str) -> ScoreType:
        """How the node's scores travel; float32 where its tier has no exit."""
        rule = self.tier(self.nodes[name].role).exit
        return "float32" if rule is None else rule.scores

    def score_bytes(self, name: str) -> int:
        """Payload of one sample's scores: 4 * K (paper, equation 1), less for smaller types."""
        return SCORE_BYTES[self.score_type(name)] * len(self.classes)

    def views_below(self, name: str) -> frozenset[int]:
        """The views whose devices feed this node."""
        node = self.nodes[name]
        if node.role == DEVICE:
            return frozenset({self.view_number(name)})
        return frozenset().union(*(self.views_below(child) for child in self.children(name)))

    @property
    def part_bits(self) -> int:
        """Bits that say who had a part in a row: the views, then each bypassable node, 1 where
        its children's features went past it."""
        return self.views + len(self.bypassable)

    def bypass_bit(self, name: str) -> int:
        """The bit that says that its children's features went past this node."""
        return self.views + self.bypassable.index(self.original(name))

    def parts_below(self, name: str) -> frozenset[int]:
        """The bits that a node may speak for: its views and the bypassable nodes below it."""
        children = self.children(name)
        bypassed = {self.bypass_bit(child) for child in children if child in self.bypassable}
        below = (self.parts_below(child) for child in children)
        return self.views_below(name).union(bypassed, *below)

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON form, hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def host(self, name: str) -> str:
        """On which host the node, or the collector, runs."""
        return self.collector.host if name == COLLECTOR else self.nodes[name].host

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts, in file order, the collector's first."""
        return tuple(dict.fromkeys((self.collector.host, *(n.host for n in self.nodes.values()))))

    def endpoint(self, name: str) -> str:
        """Where the node, or the collector, listens."""
        return self.collector.endpoint if name == COLLECTOR else self.nodes[name].endpoint


def exit_name(tier: str) -> str:
    """`local` for the device tier's exit, otherwise the tier's own name."""
    return "local" if tier == DEVICE else tier
