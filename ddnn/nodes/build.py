"""Makes a node out of a topology and its part of the bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import DataError
from ddnn.nodes.base import Identity, Neighbours, Node, Part
from ddnn.nodes.engine import Engine
from ddnn.nodes.exit import Deeper, ExitPart
from ddnn.nodes.gather import Gather, StandIn
from ddnn.nodes.replicas import Replicas
from ddnn.nodes.section import Destinations, FeatureSource, SectionPart, Source, ViewSource
from ddnn.nodes.shown import ShownSource, ShowPart
from ddnn.topology import DEVICE, GATEWAY, Tier, Topology, exit_name
from ddnn.wire.messages import Roll
from ddnn.wire.routes import kept, peers, senders, told, watchers

LoadEngine = Callable[[Path], Engine]
Maker = Callable[[Roll], Sequence[Part]]
"""Gives parts of a node anew for each run."""


class Camera(Protocol):
    """What a device sees through while a system is live."""

    def source(self, events: Counter[str]) -> Source:
        """Its input in a run. events: where to count what goes wrong."""

    def parts(self) -> Sequence[Part]:
        """What else the node does in a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a node is given beside its part of the bundle.

    identity: which start of the node it is. load_engine: opens its ONNX files. camera: what a
    device sees through, in place of recorded views. rules: how exits decide, asked for each batch;
    None: as the bundle says. turn_rows: of features, at most so many samples' in a turn.
    shows_views: a device tells the collector what it sees, see ddnn.nodes.shown. counts_scores: for
    whoever looks for drift, see SectionPart.
    """

    identity: Identity = field(default_factory=Identity)
    load_engine: LoadEngine = Engine
    camera: Camera | None = None
    rules: Mapping[str, ExitRule] | None = None
    turn_rows: int | None = None
    shows_views: bool = False
    counts_scores: bool = False


def build_node(
    name: str,
    bundle: Bundle,
    views_NCHW: NDArray[Any] | None,
    equipment: Equipment | None = None,
) -> Node:
    """The node, ready to take messages.

    views_NCHW: what a device's camera recorded, of its view's type.
    Raises BundleError for a damaged model file, DataError for views that do not fit.
    """
    topology, events = bundle.topology, Counter[str]()
    equipment = equipment or Equipment()
    camera = equipment.camera
    makers = [
        _exit_maker(number, tier, bundle, events, equipment)
        for number, tier in enumerate(topology.tiers)
        if tier.exit is not None and tier.exit.at == topology.original(name)
    ]
    if topology.nodes[name].role != GATEWAY:
        makers.insert(0, _section_maker(name, bundle, views_NCHW, events, equipment))
    return Node(
        name,
        lambda roll: [
            *(part for make in makers for part in make(roll)),
            *(camera.parts() if camera else []),
        ],
        identity=equipment.identity,
        neighbours=_neighbours(name, topology),
        heartbeat_s=topology.heartbeat.interval_ms / 1000,
        patience_s=patience_s(topology),
        events=events,
        replicas=_replicas(name, topology),
    )


def _neighbours(name: str, topology: Topology) -> Neighbours:
    return Neighbours(
        peers=peers(topology, name),
        hears=senders(topology, name),
        watchers=watchers(topology, name),
        told=told(topology, name),
        kept=kept(topology, name),
    )


def _replicas(name: str, topology: Topology) -> Replicas | None:
    if all(node.replica_of is None for node in topology.nodes.values()):
        return None
    return Replicas(topology, name, patience_s(topology))


def patience_s(topology: Topology) -> float:
    """Silence after which a node counts as failed."""
    return topology.heartbeat.interval_ms * topology.heartbeat.patience / 1000


def takeover_s(topology: Topology) -> float:
    """Silence after which another start of a node is believed, see ddnn.wire.heard."""
    return min(2 * topology.heartbeat.interval_ms / 1000, 1.0)


def _section_maker(
    name: str,
    bundle: Bundle,
    views_NCHW: NDArray[Any] | None,
    events: Counter[str],
    equipment: Equipment,
) -> Maker:
    """Makes the section anew for each run; its engine is loaded once."""
    topology = bundle.topology
    is_device = topology.nodes[name].role == DEVICE
    engine = equipment.load_engine(bundle.section_path(name))
    engine.check(inputs=_section_inputs(name, topology), outputs=_section_outputs(name, topology))
    behind = sum(1 << view for view in topology.views_below(name))
    if is_device and equipment.camera is None:
        check_views(name, topology, views_NCHW)

    def make(roll: Roll) -> Sequence[Part]:
        recorded = views_NCHW
        if recorded is not None and roll.samples:
            recorded = recorded[: roll.samples]
        source = _source(name, topology, recorded, events, equipment)
        shown = ShownSource(source, events) if equipment.shows_views and is_device else None
        section = SectionPart(
            shown or source,
            engine,
            _destinations(name, topology),
            events,
            behind=behind,
            counts_scores=equipment.counts_scores,
        )
        return [section] if shown is None else [section, ShowPart(shown)]

    return make


def _destinations(name: str, topology: Topology) -> Destinations:
    node = topology.nodes[name]
    tier = topology.tier(node.role)
    return Destinations(
        exit_at=tier.exit.at if tier.exit else None,
        parent=node.parent,
        fallback=node.fallback,
        patience_s=patience_s(topology),
    )


def _source(
    name: str,
    topology: Topology,
    views_NCHW: NDArray[Any] | None,
    events: Counter[str],
    equipment: Equipment,
) -> Source:
    if equipment.camera is not None:
        return equipment.camera.source(events)
    if views_NCHW is None:
        gather = _feature_gather(name, topology, events)
        return FeatureSource(gather, turn_rows=equipment.turn_rows)
    return ViewSource(
        views_NCHW, view=topology.devices.index(name), skip_absent=topology.skips_absent
    )


def _section_inputs(name: str, topology: Topology) -> dict[str, tuple[int, ...]]:
    """See ddnn.bundle.manifest."""
    if topology.nodes[name].role == DEVICE:
        return {"views": topology.view_of(name).shape}
    children = topology.children(name)
    shapes: dict[str, tuple[int, ...]] = {
        f"features_{place}": topology.feature_shape(child) for place, child in enumerate(children)
    }
    return shapes | {"present": (len(children),)}


def _section_outputs(name: str, topology: Topology) -> dict[str, tuple[int, ...]]:
    node, shapes = topology.nodes[name], dict[str, tuple[int, ...]]()
    if node.parent is not None:
        shapes["features"] = topology.feature_shape(name)
    if topology.tier(node.role).exit is not None:
        shapes["scores"] = (len(topology.classes),)
    return shapes


def check_views(name: str, topology: Topology, views_NCHW: NDArray[Any] | None) -> None:
    """Raises DataError for views that the device cannot take."""
    kind = topology.view_of(name)
    wanted = f"{kind.type} (N, {', '.join(map(str, kind.shape))})"
    if views_NCHW is None or not len(views_NCHW):
        raise DataError(f"{name}: no views, want {wanted}")
    if views_NCHW.dtype != kind.type or views_NCHW.shape[1:] != tuple(kind.shape):
        raise DataError(f"{name}: views are {views_NCHW.dtype} {views_NCHW.shape}, want {wanted}")


def _feature_gather(name: str, topology: Topology, events: Counter[str]) -> Gather:
    children = topology.children(name)
    return Gather(
        children,
        [tuple(topology.feature_shape(child)) for child in children],
        views_of=[topology.views_below(child) for child in children],
        deadline_s=topology.tier(topology.nodes[name].role).deadline_ms / 1000,
        patience_s=patience_s(topology),
        events=events,
        parts_of=[topology.parts_below(child) for child in children],
        stand_ins=[
            StandIn(member, parent, topology.bypass_bit(children[parent]))
            for member, parent in enumerate(topology.stands_in(name))
            if parent is not None
        ],
    )


def _exit_maker(
    number: int, tier: Tier, bundle: Bundle, events: Counter[str], equipment: Equipment
) -> Maker:
    """Makes the exit anew for each run; its engine is loaded once."""
    topology = bundle.topology
    members = tuple(n for n in topology.section_nodes if topology.nodes[n].role == tier.name)
    is_last = number == len(topology.tiers) - 1
    deeper = (
        None
        if is_last
        else Deeper(members=members, above=topology.members(topology.tiers[number + 1].name))
    )
    name = exit_name(tier.name)
    rules = bundle.manifest.exits if equipment.rules is None else equipment.rules
    classes, engine = len(topology.classes), equipment.load_engine(bundle.exit_path(name))
    engine.check(
        inputs={"scores": (len(members), classes), "present": (len(members),)},
        outputs={"logits": (classes,)},
    )
    prior_class = bundle.manifest.prior_class

    def make(_roll: Roll) -> Sequence[Part]:
        gather = _score_gather(members, tier, topology, events)
        exit_part = ExitPart(
            gather,
            engine,
            lambda: rules[name],
            deeper,
            views=topology.views,
            prior_class=prior_class,
        )
        return [exit_part]

    return make


def _score_gather(
    members: tuple[str, ...], tier: Tier, topology: Topology, events: Counter[str]
) -> Gather:
    assert tier.exit is not None
    return Gather(
        members,
        [(len(topology.classes),)] * len(members),
        views_of=[topology.views_below(member) for member in members],
        deadline_s=tier.exit.deadline_ms / 1000,
        patience_s=patience_s(topology),
        events=events,
        own=tier.exit.at,
        parts_of=[topology.parts_below(member) for member in members],
    )
