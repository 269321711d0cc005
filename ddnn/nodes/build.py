"""Makes a node out of a topology and its part of the bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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


class Camera(Protocol):
    """What a device sees through while a system is live."""

    def source(self, events: Counter[str]) -> Source:
        """Its input in a run. events: where to count what goes wrong."""

    def parts(self) -> Sequence[Part]:
        """What else the node does in a run."""


def build_node(
    name: str,
    bundle: Bundle,
    views_NCHW: NDArray[Any] | None,
    *,
    identity: Identity | None = None,
    load_engine: LoadEngine = Engine,
    camera: Camera | None = None,
    rules: Mapping[str, ExitRule] | None = None,
    turn_rows: int | None = None,
    shows_views: bool = False,
    counts_scores: bool = False,
) -> Node:
    """The node, ready to take messages.

    views_NCHW: what a device's camera recorded, of its view's type. camera: what it sees through
    instead. rules: how exits decide, asked for each batch; None: as the bundle says. turn_rows: of
    features, at most so many samples' in a turn. shows_views: a device tells the collector what it
    sees, see ddnn.nodes.shown. counts_scores: for whoever looks for drift, see SectionPart.
    Raises BundleError for a damaged model file, DataError for views that do not fit.
    """
    topology = bundle.topology
    events: Counter[str] = Counter()
    makers: list[Callable[[Roll], Sequence[Part]]] = []
    if topology.nodes[name].role != GATEWAY:
        makers.append(
            _section_maker(
                name,
                bundle,
                views_NCHW,
                events=events,
                load_engine=load_engine,
                camera=camera,
                turn_rows=turn_rows,
                shows_views=shows_views,
                counts_scores=counts_scores,
            )
        )
    makers += [
        _exit_maker(
            number,
            tier,
            bundle,
            rules=bundle.manifest.exits if rules is None else rules,
            events=events,
            load_engine=load_engine,
        )
        for number, tier in enumerate(topology.tiers)
        if tier.exit is not None and tier.exit.at == topology.original(name)
    ]
    return Node(
        name,
        lambda roll: [
            *(part for make in makers for part in make(roll)),
            *(camera.parts() if camera else []),
        ],
        identity=identity or Identity(),
        neighbours=Neighbours(
            peers=peers(topology, name),
            hears=senders(topology, name),
            watchers=watchers(topology, name),
            told=told(topology, name),
            kept=kept(topology, name),
        ),
        heartbeat_s=topology.heartbeat.interval_ms / 1000,
        patience_s=patience_s(topology),
        events=events,
        replicas=_replicas(name, topology),
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
    *,
    events: Counter[str],
    load_engine: LoadEngine,
    camera: Camera | None,
    turn_rows: int | None,
    shows_views: bool,
    counts_scores: bool,
) -> Callable[[Roll], Sequence[Part]]:
    """Makes the section anew for each run; its engine is loaded once."""
    topology = bundle.topology
    node = topology.nodes[name]
    tier = topology.tier(node.role)
    to = Destinations(
        exit_at=tier.exit.at if tier.exit else None,
        parent=node.parent,
        fallback=node.fallback,
        patience_s=patience_s(topology),
    )
    engine = load_engine(bundle.section_path(name))
    engine.check(inputs=_section_inputs(name, topology), outputs=_section_outputs(name, topology))
    behind = sum(1 << view for view in topology.views_below(name))
    if node.role == DEVICE and camera is None:
        check_views(name, topology, views_NCHW)

    def make(roll: Roll) -> Sequence[Part]:
        source: Source
        if camera is not None:
            source = camera.source(events)
        elif views_NCHW is not None:
            recorded = views_NCHW[: roll.samples] if roll.samples else views_NCHW
            source = _view_source(name, topology, recorded)
        else:
            gather = _feature_gather(name, topology, events)
            source = FeatureSource(gather, turn_rows=turn_rows)
        shown = ShownSource(source, events) if shows_views and node.role == DEVICE else None
        section = SectionPart(
            shown or source, engine, to, events, behind=behind, counts_scores=counts_scores
        )
        return [section] if shown is None else [section, ShowPart(shown)]

    return make


def _view_source(name: str, topology: Topology, views_NCHW: NDArray[Any]) -> Source:
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
    number: int,
    tier: Tier,
    bundle: Bundle,
    *,
    rules: Mapping[str, ExitRule],
    events: Counter[str],
    load_engine: LoadEngine,
) -> Callable[[Roll], Sequence[Part]]:
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
    classes, engine = len(topology.classes), load_engine(bundle.exit_path(name))
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
