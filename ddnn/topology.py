"""The topology file: tiers of sections, nodes with endpoints, deadlines. One file drives all.

A hierarchy is a list of tiers, the first `device`, the last `cloud`. Each node of a tier runs
that tier's section: its features go to the node's parent when asked, its scores to the node that
holds the tier's exit. A `gateway` has no section; it only holds an exit.

Axes: N samples, V views, K classes, C image channels, F filters, H, W.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ddnn.errors import ConfigError
from ddnn.share import find
from ddnn.yamlfile import read_yaml

Bits = Literal[1, 2, 4, 8, 32]
Aggregator = Literal["max", "average", "concat"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
COLLECTOR = "collector"
"""Name under which the collector, which is no node of the network, sends and receives."""
GATEWAY = "gateway"
DEVICE = "device"
CLOUD = "cloud"
MAX_NODES = 1024
MAX_VALUES = 1 << 22  # values in one feature map; 16 MiB at 32 bits


class Shape(NamedTuple):
    """Size of a feature map: filters, height, width."""

    F: int
    H: int
    W: int

    @property
    def values(self) -> int:
        return self.F * self.H * self.W


class Model(BaseModel):
    """What every part of a topology is: immutable, and no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class View(Model):
    """Size of one camera's image."""

    channels: int = Field(3, ge=1, le=16)
    height: int = Field(32, ge=1, le=1024)
    width: int = Field(32, ge=1, le=1024)

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, self.height, self.width)


class ConvP(Model):
    """Convolution 3x3 pad 1, max pool 3x3 pad 1, batch norm, activation (paper IV-A, figure 3)."""

    kind: Literal["convp"]
    filters: int = Field(ge=1, le=1024)
    stride: int = Field(1, ge=1, le=4)
    pool_stride: int = Field(2, ge=1, le=4)
    weight_bits: Bits | None = Field(None, description="default: the section's")
    activation_bits: Bits | None = Field(None, description="default: the section's")

    def output(self, shape: Shape) -> Shape:
        step = self.stride, self.pool_stride
        height, width = (_strided(_strided(n, step[0]), step[1]) for n in shape[1:])
        return Shape(self.filters, height, width)


class Conv(Model):
    """Convolution 3x3 pad 1, batch norm, activation: the stem of a residual network."""

    kind: Literal["conv"]
    filters: int = Field(ge=1, le=1024)
    stride: int = Field(1, ge=1, le=4)
    weight_bits: Bits | None = None
    activation_bits: Bits | None = None

    def output(self, shape: Shape) -> Shape:
        height, width = (_strided(n, self.stride) for n in shape[1:])
        return Shape(self.filters, height, width)


class Residual(Model):
    """Basic residual block: two 3x3 convolutions and a shortcut (1x1 where the size changes)."""

    kind: Literal["residual"]
    filters: int = Field(ge=1, le=1024)
    stride: int = Field(1, ge=1, le=4)
    weight_bits: Bits | None = None
    activation_bits: Bits | None = None

    def output(self, shape: Shape) -> Shape:
        height, width = (_strided(n, self.stride) for n in shape[1:])
        return Shape(self.filters, height, width)


class FC(Model):
    """Fully connected layer, batch norm, activation (paper figure 3)."""

    kind: Literal["fc"]
    units: int = Field(ge=1, le=65536)
    weight_bits: Bits | None = None
    activation_bits: Bits | None = None

    def output(self, _: Shape) -> Shape:
        return Shape(self.units, 1, 1)


Block = Annotated[ConvP | Conv | Residual | FC, Field(discriminator="kind")]


class Section(Model):
    """The blocks that one node runs. No blocks: the view itself is sent up (the raw baseline)."""

    blocks: tuple[Block, ...] = ()
    weight_bits: Bits = 32
    activation_bits: Bits = 32
    feature_bits: Bits | None = Field(
        None, description="bits per value sent up; default: the last block's activation bits"
    )

    def output(self, shape: Shape) -> Shape:
        """Shape of the features for an input of `shape`."""
        for block in self.blocks:
            shape = block.output(shape)
        return shape

    @property
    def sent_bits(self) -> int:
        """Bits per value of the features on the wire."""
        if self.feature_bits is not None:
            return self.feature_bits
        if not self.blocks:
            return 8
        return self.blocks[-1].activation_bits or self.activation_bits


class Exit(Model):
    """The classifier of a tier: fuses the scores of all its nodes at the node `at`."""

    at: Name
    aggregator: Aggregator = "max"
    threshold: float | None = Field(
        None, ge=0, le=1, description="answers when normalized entropy is below; last exit: none"
    )
    pool: int = Field(1, ge=1, le=64, description="average pool before the fully connected layer")
    weight_bits: Bits | None = Field(None, description="default: the section's")
    deadline_ms: float = Field(100, gt=0, le=60_000, description="wait for scores this long")


class Tier(Model):
    """One level of the hierarchy."""

    name: Name
    aggregator: Aggregator = Field("concat", description="fuses the children's feature maps")
    section: Section
    exit: Exit | None = None
    deadline_ms: float = Field(
        100, gt=0, le=60_000, description="wait for the children's features this long"
    )


class Node(Model):
    """One process: its tier (or gateway), where its features go, where it listens."""

    role: Name = Field(description="a tier's name, or gateway")
    endpoint: str
    parent: Name | None = None
    view: int | None = Field(None, ge=0, le=MAX_NODES)
    host: Name = "local"
    section: Section | None = Field(None, description="in place of the tier's")


class Collector(Model):
    """Who asks for samples and takes the verdicts: the launcher."""

    endpoint: str
    host: Name = "local"
    answer_ms: float = Field(
        2000, gt=0, le=600_000, description="take the deepest answer so far after this silence"
    )
    window: int = Field(64, ge=1, le=256, description="samples in flight at most")


class Heartbeat(Model):
    """How fast a silent node is noticed: after interval_ms x patience."""

    interval_ms: float = Field(100, ge=5, le=60_000)
    patience: int = Field(3, ge=1, le=100)


class Topology(Model):
    """A checked topology file."""

    name: Name
    classes: tuple[str, ...] = Field(min_length=2, max_length=1000)
    view: View = View()
    tiers: tuple[Tier, ...] = Field(min_length=2, max_length=16)
    collector: Collector
    nodes: dict[Name, Node] = Field(min_length=2, max_length=MAX_NODES)
    heartbeat: Heartbeat = Heartbeat()

    @model_validator(mode="after")
    def _fits_together(self) -> Topology:
        for check in (_check_tiers, _check_nodes, _check_exits, _check_endpoints, _check_shapes):
            check(self)
        return self

    @property
    def views(self) -> int:
        """V, the number of views."""
        return len(self.devices)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices in the order of their views."""
        names = self.members(DEVICE)
        return tuple(sorted(names, key=lambda name: self.nodes[name].view or 0))

    def tier(self, name: str) -> Tier:
        """The tier of this name."""
        return next(tier for tier in self.tiers if tier.name == name)

    def members(self, tier: str) -> tuple[str, ...]:
        """Names of the nodes that run the tier's section, in file order."""
        return tuple(name for name, node in self.nodes.items() if node.role == tier)

    def children(self, name: str) -> tuple[str, ...]:
        """Names of the nodes whose features go to `name`: devices by view, others in file order."""
        below = (*self.devices, *(n for n, node in self.nodes.items() if node.role != DEVICE))
        return tuple(child for child in below if self.nodes[child].parent == name)

    def section(self, name: str) -> Section:
        """The section that the node runs."""
        node = self.nodes[name]
        return node.section or self.tier(node.role).section

    @property
    def section_nodes(self) -> tuple[str, ...]:
        """Nodes with a section, lowest tier first, devices by view."""
        upper = (name for tier in self.tiers[1:] for name in self.members(tier.name))
        return (*self.devices, *upper)

    @property
    def exits(self) -> dict[str, Tier]:
        """Tiers that have an exit, lowest first, by exit name: local, then the tier's name."""
        return {exit_name(tier.name): tier for tier in self.tiers if tier.exit is not None}

    def input_shape(self, name: str) -> Shape:
        """What the node's blocks get: its view, or its children's maps fused."""
        node = self.nodes[name]
        if node.role == DEVICE:
            return self.view.shape
        shapes = [self.feature_shape(child) for child in self.children(name)]
        if self.tier(node.role).aggregator == "concat":
            return Shape(sum(shape.F for shape in shapes), *shapes[0][1:])
        return shapes[0]

    def feature_shape(self, name: str) -> Shape:
        """Shape of the features that the node can send up."""
        return self.section(name).output(self.input_shape(name))

    def feature_bytes(self, name: str) -> int:
        """Payload of one sample's features: f*o/8 for 1-bit features (paper, equation 1)."""
        return math.ceil(self.feature_shape(name).values * self.section(name).sent_bits / 8)

    @property
    def score_bytes(self) -> int:
        """Payload of one sample's scores: 4 * K (paper, equation 1)."""
        return 4 * len(self.classes)

    def views_below(self, name: str) -> frozenset[int]:
        """The views whose devices feed this node."""
        node = self.nodes[name]
        if node.role == DEVICE:
            return frozenset({node.view or 0})
        return frozenset().union(*(self.views_below(child) for child in self.children(name)))

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON form, hexadecimal."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def endpoint(self, name: str) -> str:
        """Where the node, or the collector, listens."""
        return self.collector.endpoint if name == COLLECTOR else self.nodes[name].endpoint

    def with_endpoints(self, endpoints: dict[str, str]) -> Topology:
        """The same topology, listening elsewhere."""
        document = self.model_dump(mode="json")
        for name, endpoint in endpoints.items():
            place = document["collector"] if name == COLLECTOR else document["nodes"][name]
            place["endpoint"] = endpoint
        return Topology.model_validate(document)


def exit_name(tier: str) -> str:
    """`local` for the device tier's exit, otherwise the tier's own name."""
    return "local" if tier == DEVICE else tier


def read_topology(path: str | Path) -> Topology:
    """The topology of a file, or of a name that ships with ddnn.

    Raises ConfigError naming file, key path, the value got and what was wanted.
    """
    return read_yaml(find("topologies", str(path)), Topology)


def _strided(size: int, stride: int) -> int:
    """Output size of a 3-wide, 1-padded window with this stride."""
    return (size - 1) // stride + 1


def _known(names: Iterable[str]) -> str:
    return f"(known: {', '.join(names)})"


def _check_tiers(topology: Topology) -> None:
    names = [tier.name for tier in topology.tiers]
    if names[0] != DEVICE or names[-1] != CLOUD:
        raise ConfigError(f"tiers: got {names}, want the first named device and the last cloud")
    if len(set(names)) != len(names):
        raise ConfigError(f"tiers: got {names}, want each name once")
    if GATEWAY in names or COLLECTOR in names:
        raise ConfigError(f"tiers: {GATEWAY} and {COLLECTOR} are no tiers, got {names}")
    if len(set(topology.classes)) != len(topology.classes):
        raise ConfigError(f"classes: got {list(topology.classes)}, want each class once")
    if len(topology.members(CLOUD)) != 1:
        raise ConfigError(
            f"nodes: {len(topology.members(CLOUD))} with role cloud, want exactly one"
        )
    views = sorted(topology.nodes[name].view or 0 for name in topology.members(DEVICE))
    if not views or views != list(range(len(views))):
        raise ConfigError(
            f"nodes: devices have views {views}, want 0 to {len(views) - 1} once each"
        )


def _check_nodes(topology: Topology) -> None:
    order = [tier.name for tier in topology.tiers]
    for name, node in topology.nodes.items():
        where = f"nodes.{name}"
        if node.role not in (*order, GATEWAY):
            raise ConfigError(
                f"{where}.role: no tier named {node.role!r} {_known([*order, GATEWAY])}"
            )
        if (node.view is not None) != (node.role == DEVICE):
            raise ConfigError(f"{where}.view: got {node.view}, want one for a device and no other")
        if name == COLLECTOR:
            raise ConfigError(f"{where}: the name is taken, want another")
        if node.role in (GATEWAY, CLOUD):
            if node.parent is not None:
                raise ConfigError(f"{where}.parent: got {node.parent!r}, want none for {node.role}")
            continue
        if node.parent not in topology.nodes:
            raise ConfigError(
                f"{where}.parent: no node named {node.parent!r} {_known(topology.nodes)}"
            )
        above = order[order.index(node.role) + 1]
        if topology.nodes[node.parent].role != above:
            raise ConfigError(
                f"{where}.parent: {node.parent!r} is a {topology.nodes[node.parent].role}, "
                f"want a node of tier {above}"
            )
    for name in topology.section_nodes:
        if topology.nodes[name].role != DEVICE and not topology.children(name):
            raise ConfigError(f"nodes.{name}: no node has it as parent, want at least one")


def _check_exits(topology: Topology) -> None:
    for number, tier in enumerate(topology.tiers):
        where, last = f"tiers.{number}.exit", number == len(topology.tiers) - 1
        if tier.exit is None:
            if last:
                raise ConfigError(f"{where}: the last tier has none, want one: it always answers")
            continue
        if tier.exit.at not in topology.nodes:
            raise ConfigError(
                f"{where}.at: no node named {tier.exit.at!r} {_known(topology.nodes)}"
            )
        allowed = (tier.name, GATEWAY) if number == 0 else (tier.name,)
        if topology.nodes[tier.exit.at].role not in allowed:
            raise ConfigError(
                f"{where}.at: {tier.exit.at!r} is a {topology.nodes[tier.exit.at].role}, "
                f"want {' or '.join(allowed)}"
            )
        if last != (tier.exit.threshold is None):
            wanted = "none at the last exit" if last else "a number from 0 to 1"
            raise ConfigError(f"{where}.threshold: got {tier.exit.threshold}, want {wanted}")
    used = {tier.exit.at for tier in topology.tiers if tier.exit}
    for name in topology.members(GATEWAY):
        if name not in used:
            raise ConfigError(f"nodes.{name}: a gateway that holds no exit, want tiers.0.exit.at")


def _check_endpoints(topology: Topology) -> None:
    taken: dict[str, str] = {}
    for name in (COLLECTOR, *topology.nodes):
        where = f"{name}.endpoint" if name == COLLECTOR else f"nodes.{name}.endpoint"
        endpoint = topology.endpoint(name)
        match = re.fullmatch(r"tcp://([A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", endpoint)
        if match is None or not 1 <= int(match[2]) <= 65535:
            raise ConfigError(f"{where}: got {endpoint!r}, want tcp://ADDRESS:PORT")
        if endpoint in taken:
            raise ConfigError(f"{where}: {endpoint} is already {taken[endpoint]}'s, want another")
        taken[endpoint] = name


def _check_shapes(topology: Topology) -> None:
    for name in topology.section_nodes:
        node = topology.nodes[name]
        tier = topology.tier(node.role)
        shapes = {child: topology.feature_shape(child) for child in topology.children(name)}
        same = {shape[1:] if tier.aggregator == "concat" else shape for shape in shapes.values()}
        if len(same) > 1:
            listed = ", ".join(f"{c} {'x'.join(map(str, s))}" for c, s in shapes.items())
            raise ConfigError(
                f"nodes.{name}: children's maps differ ({listed}), want equal sizes for "
                f"{tier.aggregator}"
            )
        section = topology.section(name)
        where = f"nodes.{name}.section" if node.section else f"tier {node.role}: section"
        if not section.blocks and (node.role != DEVICE or tier.exit is not None):
            raise ConfigError(f"{where}.blocks: got none, want at least one (or a device, no exit)")
        if topology.feature_shape(name).values > MAX_VALUES:
            raise ConfigError(f"{where}: features of more than {MAX_VALUES} values, want fewer")
