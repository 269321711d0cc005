"""Makes a node out of a topology and its part of the bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.errors import DataError
from ddnn.nodes.base import Node, Part
from ddnn.nodes.engine import Engine
from ddnn.nodes.exit import Deeper, ExitPart
from ddnn.nodes.gather import Gather
from ddnn.nodes.section import Destinations, FeatureSource, SectionPart, Source, ViewSource
from ddnn.topology import DEVICE, GATEWAY, Tier, Topology, exit_name
from ddnn.wire.routes import peers, watchers

LoadEngine = Callable[[Path], Engine]


def build_node(
    name: str,
    bundle: Bundle,
    views_NCHW: NDArray[np.uint8] | None,
    *,
    epoch: int = 0,
    load_engine: LoadEngine = Engine,
) -> Node:
    """The node, ready to take messages.

    views_NCHW: what a device's camera recorded, uint8. epoch: how often it was restarted.
    Raises BundleError for a damaged model file, DataError for views that do not fit.
    """
    topology = bundle.topology
    events: Counter[str] = Counter()
    parts: list[Part] = []
    if topology.nodes[name].role != GATEWAY:
        parts.append(
            _section_part(name, bundle, views_NCHW, events=events, load_engine=load_engine)
        )
    parts += [
        _exit_part(number, tier, bundle, events=events, load_engine=load_engine)
        for number, tier in enumerate(topology.tiers)
        if tier.exit is not None and tier.exit.at == name
    ]
    return Node(
        name,
        parts,
        peers=peers(topology, name),
        watchers=watchers(topology, name),
        heartbeat_s=topology.heartbeat.interval_ms / 1000,
        events=events,
        epoch=epoch,
    )


def patience_s(topology: Topology) -> float:
    """Silence after which a node counts as failed."""
    return topology.heartbeat.interval_ms * topology.heartbeat.patience / 1000


def _section_part(
    name: str,
    bundle: Bundle,
    views_NCHW: NDArray[np.uint8] | None,
    *,
    events: Counter[str],
    load_engine: LoadEngine,
) -> SectionPart:
    topology = bundle.topology
    node = topology.nodes[name]
    tier = topology.tier(node.role)
    source: Source
    if node.role == DEVICE:
        source = _view_source(name, topology, views_NCHW)
    else:
        stands_in = topology.stands_in(name)
        source = FeatureSource(_feature_gather(name, topology, events), stands_in)
    to = Destinations(
        exit_at=tier.exit.at if tier.exit else None,
        parent=node.parent,
        fallback=node.fallback,
        patience_s=patience_s(topology),
    )
    engine = load_engine(bundle.section_path(name))
    engine.check(inputs=_section_inputs(name, topology), outputs=_section_outputs(name, topology))
    views = len(topology.views_below(name))
    return SectionPart(source, engine, to, events, views=views)


def _section_inputs(name: str, topology: Topology) -> dict[str, tuple[int, ...]]:
    """See ddnn.bundle.manifest."""
    if topology.nodes[name].role == DEVICE:
        return {"views": topology.view.shape}
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


def _view_source(name: str, topology: Topology, views_NCHW: NDArray[np.uint8] | None) -> ViewSource:
    shape = tuple(topology.view.shape)
    if views_NCHW is None or not len(views_NCHW):
        raise DataError(f"{name}: no views, want uint8 (N, {', '.join(map(str, shape))})")
    if views_NCHW.dtype != np.uint8 or views_NCHW.shape[1:] != shape:
        raise DataError(
            f"{name}: views are {views_NCHW.dtype} {views_NCHW.shape}, want uint8 (N, "
            f"{', '.join(map(str, shape))})"
        )
    return ViewSource(
        views_NCHW,
        view=topology.devices.index(name),
        skip_absent=topology.skips_absent,
    )


def _feature_gather(name: str, topology: Topology, events: Counter[str]) -> Gather:
    children = topology.children(name)
    return Gather(
        children,
        [tuple(topology.feature_shape(child)) for child in children],
        views_of=[topology.views_below(child) for child in children],
        deadline_s=topology.tier(topology.nodes[name].role).deadline_ms / 1000,
        patience_s=patience_s(topology),
        events=events,
        stands_in=topology.stands_in(name),
    )


def _exit_part(
    number: int, tier: Tier, bundle: Bundle, *, events: Counter[str], load_engine: LoadEngine
) -> ExitPart:
    assert tier.exit is not None
    topology = bundle.topology
    members = tuple(n for n in topology.section_nodes if topology.nodes[n].role == tier.name)
    gather = Gather(
        members,
        [(len(topology.classes),)] * len(members),
        views_of=[topology.views_below(member) for member in members],
        deadline_s=tier.exit.deadline_ms / 1000,
        patience_s=patience_s(topology),
        events=events,
        own=tier.exit.at,
    )
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
    rule, prior_class = bundle.manifest.exits[name], bundle.manifest.prior_class
    return ExitPart(gather, engine, rule, deeper, prior_class=prior_class)
