"""The topology file: tiers of sections, nodes with endpoints, deadlines. One file drives all.

A hierarchy is a list of tiers, the first `device`, the last `cloud`. Each node of a tier runs
that tier's section: its features go to the node's parent when asked, its scores to the node that
holds the tier's exit. A `gateway` has no section; it only holds an exit.

Axes: N samples, V views, K classes, C image channels, F filters, H, W.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ddnn.blocks import Bits as Bits
from ddnn.blocks import Block as Block
from ddnn.blocks import Model as Model
from ddnn.blocks import Section as Section
from ddnn.blocks import Shape as Shape
from ddnn.deadlines import with_deadlines
from ddnn.names import MAX_LETTERS, is_showable, normal
from ddnn.share import find
from ddnn.topology_check import CLOUD as CLOUD
from ddnn.topology_check import COLLECTOR as COLLECTOR
from ddnn.topology_check import DEVICE as DEVICE
from ddnn.topology_check import GATEWAY as GATEWAY
from ddnn.topology_check import check
from ddnn.yamlfile import read_yaml

Aggregator = Literal["max", "average", "concat"]
ScoreType = Literal["float32", "float16", "int8"]
AbsentViews = Literal["send", "skip"]
FeatureCode = Literal["raw-bits", "entropy-coded", "jpeg"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Restart = Literal["never", "always"] | Annotated[int, Field(ge=0, le=1000)]
"""After a node ends: a number is how often at most."""
MAX_NODES = 1024
SCORE_BYTES: dict[ScoreType, int] = {"float32": 4, "float16": 2, "int8": 1}
INT8_STEPS = 16
"""An int8 score counts sixteenths, from -8 to 7.9375: what a batch norm gives, and steps far below
the differences that decide. Fixed, so that no scale travels and all devices mean the same."""


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"got {list(names)}, want each class once")
    return names


def _showable(name: str) -> str:
    """In one normal form, and what a table's cell can hold."""
    if not is_showable(name):
        raise ValueError(f"got {name[:40]!r}, want 1 to {MAX_LETTERS} printable letters")
    return normal(name)


ShownName = Annotated[str, AfterValidator(_showable)]
ClassNames = Annotated[
    tuple[ShownName, ...],
    Field(strict=False, min_length=2, max_length=1000),
    AfterValidator(_each_once),
]
ViewNames = Annotated[
    tuple[ShownName, ...],
    Field(strict=False, min_length=1, max_length=MAX_NODES),
]


class View(Model):
    """Size of one camera's image."""

    channels: int = Field(3, ge=1, le=16, description="3 for colour, 1 for grey")
    height: int = Field(32, ge=1, le=1024, description="pixels")
    width: int = Field(32, ge=1, le=1024, description="pixels")

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, self.height, self.width)


class Exit(Model):
    """The classifier of a tier: fuses the scores of all its nodes at the node `at`."""

    at: Name = Field(description="the node that holds it: a gateway, or a node of the tier")
    aggregator: Aggregator = Field("max", description="fuses the scores of the tier's nodes")
    threshold: float | None = Field(
        None, ge=0, le=1, description="answers when normalized entropy is below; last exit: none"
    )
    blocks: tuple[Block, ...] = Field(
        (), strict=False, description="of the exit's own, before the pool"
    )
    pool: int = Field(1, ge=1, le=64, description="average pool before the fully connected layer")
    weight_bits: Bits | None = Field(None, description="default: the section's")
    scores: ScoreType = Field("float32", description="how the nodes' scores are rounded and sent")
    deadline_ms: float = Field(
        100,
        gt=0,
        le=60_000,
        description="wait for scores this long; default: 100 more than what is waited for below",
    )

    def head(self, section: Section) -> Section:
        """The exit's own blocks behind a node's section; activations are of 32 bits unless a
        block says otherwise."""
        return Section(blocks=self.blocks, weight_bits=self.weight_bits or section.weight_bits)


class Tier(Model):
    """One level of the hierarchy."""

    name: Name = Field(description="the first is device, the last is cloud")
    aggregator: Aggregator = Field("concat", description="fuses the children's feature maps")
    section: Section = Field(description="what each node of the tier runs")
    exit: Exit | None = Field(None, description="where the tier may answer; the last tier has one")
    absent: AbsentViews = Field(
        "send", description="of the device tier: whether a black view is classified and sent"
    )
    features: FeatureCode = Field(
        "raw-bits", description="entropy-coded: fewer bytes for more time; jpeg: for raw views"
    )
    deadline_ms: float = Field(
        100,
        gt=0,
        le=60_000,
        description="wait for the children's features this long; default: 100 more than the tier "
        "below waits",
    )


class Limits(Model):
    """What a node's process may use, where the system can see to it."""

    cpu: float | None = Field(None, gt=0, le=1024, description="cores; 0.5 is half of one")
    memory_mb: int | None = Field(None, ge=16, le=1 << 20, description="megabytes")


class Node(Model):
    """One process: its tier (or gateway), where its features go, where it listens."""

    role: Name = Field(description="a tier's name, or gateway")
    endpoint: str = Field(description="where it listens and others reach it: tcp://ADDRESS:PORT")
    parent: Name | None = Field(None, description="node of the next tier that gets its features")
    fallback: Name | None = Field(
        None, description="where its features go while the parent is gone"
    )
    view: int | None = Field(
        None, ge=0, le=MAX_NODES, description="of a device: which view it sees, from 0 on"
    )
    host: Name = Field("local", description="the machine that it runs on")
    section: Section | None = Field(None, description="in place of the tier's")
    limits: Limits = Field(Limits(), description="what its process may use")
    restart: Restart = Field("never", description="whether the launcher starts it again")


class Link(Model):
    """An emulated link from one node to another: what leaves `sender` for `receiver`."""

    sender: Name = Field(alias="from", description="the node that sends")
    receiver: Name = Field(alias="to", description="the node that receives")
    bandwidth_kbps: float | None = Field(None, gt=0, le=1e9, description="kilobits per second")
    latency_ms: float = Field(0, ge=0, le=60_000, description="added to every message")
    jitter_ms: float = Field(0, ge=0, le=60_000, description="uniform, added to the latency")
    loss: float = Field(0, ge=0, lt=1, description="share of messages lost")


class Collector(Model):
    """Who asks for samples and takes the verdicts: the launcher."""

    endpoint: str = Field(description="where it listens and nodes reach it: tcp://ADDRESS:PORT")
    host: Name = Field("local", description="the machine that it runs on")
    answer_ms: float = Field(
        1000, gt=0, le=600_000, description="take the deepest answer so far after this silence"
    )
    window: int = Field(64, ge=1, le=256, description="samples in flight at most")


class Heartbeat(Model):
    """How fast a silent node is noticed: after interval_ms x patience."""

    interval_ms: float = Field(100, ge=5, le=60_000, description="time between two beats")
    patience: int = Field(3, ge=2, le=100, description="beats come up to 1.5 intervals apart")


class Security(Model):
    """Who may listen and speak."""

    curve: bool = Field(
        False, description="every connection encrypted, every node known by its key (ddnn keys)"
    )


class Topology(Model):
    """A checked topology file."""

    name: Name = Field(description="shown in reports")
    classes: ClassNames = Field(description="what a sample may show, each once")
    view: View = Field(View(), description="size of every camera's image")
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

    @model_validator(mode="before")
    @classmethod
    def _waits(cls, document: Any) -> Any:
        return with_deadlines(document)

    @model_validator(mode="after")
    def _fits_together(self) -> Topology:
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

    @property
    def skips_absent(self) -> bool:
        """A device says of a black view only that there is nothing to see."""
        return self.tiers[0].absent == "skip"

    def tier(self, name: str) -> Tier:
        """The tier of this name."""
        return next(tier for tier in self.tiers if tier.name == name)

    def members(self, tier: str) -> tuple[str, ...]:
        """Names of the nodes that run the tier's section, in file order."""
        return tuple(name for name, node in self.nodes.items() if node.role == tier)

    def children(self, name: str) -> tuple[str, ...]:
        """Names of the nodes whose features go to `name`: devices by view, others in file order.

        Those that have it as fallback come last.
        """
        below = (*self.devices, *(n for n, node in self.nodes.items() if node.role != DEVICE))
        own = tuple(child for child in below if self.nodes[child].parent == name)
        return own + tuple(child for child in below if self.nodes[child].fallback == name)

    def stands_in(self, name: str) -> tuple[int | None, ...]:
        """For each child of `name` that has it as fallback: the place, among those children, of
        the parent that it stands in for. None for the others."""
        children = self.children(name)
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
            return frozenset({node.view or 0})
        return frozenset().union(*(self.views_below(child) for child in self.children(name)))

    @property
    def part_bits(self) -> int:
        """Bits that say who had a part in a row: the views, then each bypassable node, 1 where
        its children's features went past it."""
        return self.views + len(self.bypassable)

    def bypass_bit(self, name: str) -> int:
        """The bit that says that its children's features went past this node."""
        return self.views + self.bypassable.index(name)

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
