"""The parts of a topology file, each checked by itself: tiers, nodes, exits, links, times."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from ddnn.blocks import Bits, Block, Model, Section, Shape
from ddnn.names import MAX_LETTERS, is_showable, normal

COLLECTOR = "collector"
"""Name under which the collector, which is no node of the network, sends and receives."""
GATEWAY, DEVICE, CLOUD = "gateway", "device", "cloud"
Aggregator = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
AGGREGATORS = ("max", "average", "concat", "attention", "gated")
"""Those of ddnn's own; installed packages add others."""
ScoreType = Literal["float32", "float16", "int8"]
AbsentViews = Literal["send", "skip"]
FeatureCode = Literal["raw-bits", "entropy-coded", "jpeg"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Restart = Literal["never", "always"] | Annotated[int, Field(ge=0, le=1000)]
"""After a node ends: a number is how often at most."""
MAX_NODES = 4096
MAX_REPLICAS = 64
SCORE_BYTES: dict[ScoreType, int] = {"float32": 4, "float16": 2, "int8": 1}
ViewType = Literal["uint8", "int16", "float32"]
VIEW_BYTES: dict[ViewType, int] = {"uint8": 1, "int16": 2, "float32": 4}
INT8_STEPS = 16
"""An int8 score counts sixteenths, from -8 to 7.9375: what a batch norm gives, and steps far below
the differences that decide. Fixed, so that no scale travels and all devices mean the same."""


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
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
    AfterValidator(each_once),
]
ViewNames = Annotated[
    tuple[ShownName, ...],
    Field(strict=False, min_length=1, max_length=MAX_NODES),
]


class View(Model):
    """What one device sees at an instant: an image, or a window of a sensor's readings."""

    channels: int = Field(3, ge=1, le=256, description="3 for colour, 1 for grey, or one an axis")
    height: int = Field(32, ge=1, le=1024, description="pixels")
    width: int = Field(32, ge=1, le=65536, description="pixels")
    length: int | None = Field(
        None, ge=1, le=65536, description="readings, in place of height and width: a row of them"
    )
    type: ViewType = Field(
        "uint8", description="of its values; default: float32 where a length is given"
    )

    @model_validator(mode="before")
    @classmethod
    def _row_of_readings(cls, document: Any) -> Any:
        """A length is a height of 1 and that width."""
        if not isinstance(document, dict) or document.get("length") is None:
            return document
        length = document["length"]
        found = {key: document.get(key, size) for key, size in (("height", 1), ("width", length))}
        if found != {"height": 1, "width": length}:
            raise ValueError(
                f"length: got {length} beside a height or width, want either a length or these"
            )
        return {"type": "float32"} | document | found

    @property
    def shape(self) -> Shape:
        """Channels, height, width."""
        return Shape(self.channels, self.height, self.width)

    @property
    def bytes(self) -> int:
        """As the sensor gives it."""
        return self.shape.values * VIEW_BYTES[self.type]


class OwnView(View):
    """The view of one device, where it is not the topology's."""

    index: int | None = Field(
        None,
        ge=0,
        le=MAX_NODES,
        description="which view of the data it is, from 0 on; default: the next that is left",
    )


Side = Annotated[int, Field(ge=1, le=64)]
Pool = Side | Annotated[tuple[Side, Side], Field(strict=False)]


class Exit(Model):
    """The classifier of a tier: fuses the scores of all its nodes at the node `at`."""

    at: Name = Field(description="the node that holds it: a gateway, or a node of the tier")
    aggregator: Aggregator = Field(
        "max", description="fuses the scores of the tier's nodes: as for maps"
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="answers when normalized entropy is below; last exit: none"
    )
    blocks: tuple[Block, ...] = Field(
        (), strict=False, description="of the exit's own, before the pool"
    )
    pool: Pool = Field(
        1,
        description="average pool before the fully connected layer: side of a square, or height "
        "and width ([1, 8] runs along a row of readings)",
    )
    weight_bits: Bits | None = Field(None, description="default: the section's")
    scores: ScoreType = Field("float32", description="how the nodes' scores are rounded and sent")
    deadline_ms: float = Field(
        100,
        gt=0,
        le=60_000,
        description="wait for scores this long; default: 100 more than what is waited for below",
    )

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of what is pooled to one value."""
        return (self.pool, self.pool) if isinstance(self.pool, int) else self.pool

    def pooled(self, shape: Shape) -> Shape:
        """Of maps of that shape; what is left over at the right and below is not looked at."""
        height, width = self.window
        return Shape(shape.F, shape.H // height, shape.W // width)

    def head(self, section: Section) -> Section:
        """The exit's own blocks behind a node's section; activations are of 32 bits unless a
        block says otherwise."""
        return Section(blocks=self.blocks, weight_bits=self.weight_bits or section.weight_bits)


class Tier(Model):
    """One level of the hierarchy."""

    name: Name = Field(description="the first is device, the last is cloud")
    aggregator: Aggregator = Field(
        "concat",
        description="fuses the children's feature maps: max, average, concat, attention, gated, or "
        "what an installed package adds",
    )
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
    """One process, or part of one: its tier (or gateway), where its features go and it listens."""

    role: Name = Field(description="a tier's name, or gateway")
    endpoint: str = Field(description="where it listens and others reach it: tcp://ADDRESS:PORT")
    parent: Name | None = Field(None, description="node of the next tier that gets its features")
    fallback: Name | None = Field(
        None, description="where its features go while the parent is gone"
    )
    view: Annotated[int, Field(ge=0, le=MAX_NODES)] | OwnView | None = Field(
        None,
        description="of a device: which view it sees, from 0 on; or its own size and type of view",
    )
    host: Name = Field("local", description="the machine that it runs on")
    section: Section | None = Field(None, description="in place of the tier's")
    limits: Limits = Field(Limits(), description="what its process may use")
    restart: Restart = Field("never", description="whether the launcher starts it again")
    replicas: int | None = Field(
        None,
        ge=1,
        le=MAX_REPLICAS,
        description="processes that share its samples, the ports of the others following its own; "
        "or a list of the others' endpoints",
    )
    replica_of: Name | None = Field(
        None, description="of one of the others, to give it a host or limits of its own"
    )
    pack: bool | Name = Field(
        False,
        description="run in one process with the host's other nodes that say the same: true, or "
        "a name where a host has several such processes",
    )

    @property
    def view_index(self) -> int | None:
        """Which view it sees, where the file says so."""
        return self.view.index if isinstance(self.view, OwnView) else self.view


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

    interval_ms: float = Field(195, ge=5, le=60_000, description="time between two beats")
    patience: int = Field(2, ge=2, le=100, description="beats come up to 1.25 intervals apart")


class Security(Model):
    """Who may listen and speak."""

    curve: bool = Field(
        False, description="every connection encrypted, every node known by its key (ddnn keys)"
    )
