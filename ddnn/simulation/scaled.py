"""A run's topology grown to many devices: edges of ten, and made-up sections above the devices.

Every device is one of the run's own again, with its scores; edges and the cloud have no trained
section, so that each fuses by the greatest score of those who take part, as do the exits. What
travels and when is that of a real topology of this size; what is answered means nothing, but is a
function of the sample and of who takes part, and so can be checked.

Axes: N samples (rows), R recorded samples, M members or children, V views, K classes, C, H, W.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.data.views import Views
from ddnn.decision import decide
from ddnn.errors import ConfigError
from ddnn.nodes.engine import Engine
from ddnn.nodes.masked import Recomputed
from ddnn.simulation.codec import ParcelCodec
from ddnn.simulation.laboratory import Laboratory
from ddnn.simulation.profile import Meter, Profile
from ddnn.simulation.references import Store, as_references, referring
from ddnn.topology import DEVICE, Topology

GROUP = 10
"""Devices of an edge."""
FIRST_PORT = 10_000
EDGE_SECTION = {
    "weight_bits": 1,
    "activation_bits": 1,
    "blocks": [{"kind": "convp", "filters": 8, "pool_stride": 1}],
}


def scaled_topology(topology: Topology, devices: int) -> Topology:
    """The same device tier with so many devices, an edge for each ten, a gateway and a cloud.

    Raises ConfigError where the devices have no exit of their own.
    """
    document = topology.model_dump(mode="json")
    tier = document["tiers"][0]
    if tier["exit"] is None:
        raise ConfigError(f"--devices: devices of {topology.name} have no exit, want one")
    edges = -(-devices // GROUP)
    nodes: dict[str, dict[str, Any]] = {
        f"cam{view}": {"role": DEVICE, "view": view, "parent": f"edge{view // GROUP}"}
        for view in range(devices)
    }
    nodes["gateway"] = {"role": "gateway", "restart": "always"}
    nodes |= {f"edge{edge}": {"role": "edge", "parent": "cloud"} for edge in range(edges)}
    nodes["cloud"] = {"role": "cloud"}
    for number, node in enumerate(nodes.values()):
        node["endpoint"] = f"tcp://127.0.0.1:{FIRST_PORT + number}"
    first = tier | {"exit": tier["exit"] | {"at": "gateway", "aggregator": "max"}}
    tiers = [first, _tier("edge", "edge0", 0.8), _tier("cloud", "cloud", None)]
    for number, each in enumerate(tiers):  # so many messages take a gateway that long
        each["deadline_ms"] = 100.0 + devices + 2 * number
        each["exit"]["deadline_ms"] = 101.0 + devices + 2 * number
    collector = document["collector"] | {"answer_ms": 1000.0 + 4 * devices}
    return Topology.model_validate(
        {
            "name": topology.name,
            "classes": document["classes"],
            "view": document["view"],
            "tiers": tiers,
            "collector": collector | {"endpoint": f"tcp://127.0.0.1:{FIRST_PORT - 1}"},
            "nodes": nodes,
            "heartbeat": document["heartbeat"],
        }
    )


def _tier(name: str, at: str, threshold: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "aggregator": "max",
        "section": EDGE_SECTION,
        "exit": {"at": at, "aggregator": "max", "threshold": threshold},
    }


def device_scores(bundle: Bundle, views: Views) -> NDArray[np.float32]:
    """(R, V, K): what the run's own devices say of what they recorded."""
    topology = bundle.topology
    found = [
        Engine(bundle.section_path(name)).run({"views": views.arrays[view]})["scores"]
        for view, name in enumerate(topology.devices)
    ]
    return np.stack(found, axis=1)


def scaled_bundle(bundle: Bundle, devices: int, scores_RVK: NDArray[np.float32]) -> Bundle:
    """A manifest for the grown topology, whose exits answer about a half and three quarters."""
    topology = scaled_topology(bundle.topology, devices)
    entropy_R = decide(_fused(scores_RVK)).entropy_N
    low, high = (float(np.quantile(entropy_R, share)) for share in (0.5, 0.75))
    exits = {
        "local": ExitRule(threshold=low),
        "edge": ExitRule(threshold=max(low, high)),
        "cloud": ExitRule(threshold=None),
    }
    update = {"topology": topology, "exits": exits, "tables": {}}
    return Bundle(bundle.folder, bundle.manifest.model_copy(update=update), bundle.sha256)


def _fused(scores_NMK: NDArray[np.float32]) -> NDArray[np.float32]:
    fused: NDArray[np.float32] = scores_NMK.max(axis=1)
    return fused


class ScaledStore(Store):
    """Features of the right size, and nothing in them."""

    def pack_features(self, sender: str, features_RFHW: NDArray[np.float32]) -> bytes:
        """See Payloads; of references."""
        return bytes(len(features_RFHW) * self._feature_bytes[sender])


class Evidence:
    """What references of a node's features stand for: scores (K), from 1 on."""

    def __init__(self, scores_RK: NDArray[np.float32]) -> None:
        nothing_1K = np.zeros((1, scores_RK.shape[1]), np.float32)
        self._rows = np.concatenate([nothing_1K, scores_RK])
        self._count = len(self._rows)
        self._known: dict[bytes, int] = {}

    def get(self, references_N: NDArray[np.int32]) -> NDArray[np.float32]:
        """(N, K)."""
        found: NDArray[np.float32] = self._rows[references_N]
        return found

    def put(self, scores_NK: NDArray[np.float32]) -> NDArray[np.int32]:
        """(N,): their references; equal ones have one."""
        return np.array([self._reference(scores_K) for scores_K in scores_NK], dtype=np.int32)

    def _reference(self, scores_K: NDArray[np.float32]) -> int:
        key = scores_K.tobytes()
        if key not in self._known:
            if self._count == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._rows[self._count] = scores_K
            self._known[key] = self._count
            self._count += 1
        return self._known[key]


class FusingEngine(Engine):
    """Takes the place of ddnn.nodes.engine.Engine: the greatest scores of those present."""

    def __init__(
        self,
        meter: Meter,
        cost: tuple[float, float],
        *,
        own: Evidence | None = None,
        children: Sequence[Evidence] = (),
    ) -> None:
        """own: of what it gives. children: of what it takes; none: it takes views or scores."""
        self._meter = meter
        self._fixed_s, self._row_s = cost
        self._own = own
        self._children = children

    def check(
        self, *, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]
    ) -> None:
        """See Engine: it takes anything."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        self._meter.spend(self._fixed_s + self._row_s * len(next(iter(inputs.values()))))
        if "views" in inputs:
            references_N = np.ascontiguousarray(inputs["views"]).reshape(-1).view("<i4")
            assert self._own is not None
            return _outputs(self._own.get(references_N), references_N)
        if "scores" in inputs:
            return {"logits": _masked(inputs["scores"], inputs["present"])}
        scores_NMK = np.stack(
            [
                child.get(as_references(inputs[f"features_{place}"]))
                for place, child in enumerate(self._children)
            ],
            axis=1,
        )
        scores_NK = _masked(scores_NMK, inputs["present"])
        references_N = np.zeros(len(scores_NK), np.int32)
        if self._own is not None:
            references_N = self._own.put(scores_NK)
        return _outputs(scores_NK, references_N)


def _outputs(
    scores_NK: NDArray[np.float32], references_N: NDArray[np.int32]
) -> dict[str, NDArray[np.float32]]:
    features = np.ascontiguousarray(references_N, dtype=np.int32).view(np.float32)
    return {"scores": scores_NK, "features": features.reshape(-1, 1, 1, 1)}


def _masked(
    scores_NMK: NDArray[np.float32], present_NM: NDArray[np.float32]
) -> NDArray[np.float32]:
    lowest = np.float32(-1e30)
    fused_NK: NDArray[np.float32] = np.where(present_NM[:, :, None] > 0, scores_NMK, lowest).max(
        axis=1
    )
    return fused_NK


class ScaledEngines:
    """As ddnn.simulation.references.Engines, for a grown topology."""

    def __init__(self, bundle: Bundle, scores_RVK: NDArray[np.float32], profile: Profile) -> None:
        """bundle: the grown one. scores_RVK: of the run's own devices."""
        topology = bundle.topology
        self.meter = Meter()
        self._known: dict[Path, FusingEngine] = {}
        evidence: dict[str, Evidence] = {}
        for name in topology.section_nodes:
            is_device = topology.nodes[name].role == DEVICE
            view = topology.view_number(name) if is_device else 0
            own_RK = scores_RVK[:, view % scores_RVK.shape[1]]
            evidence[name] = Evidence(own_RK if is_device else own_RK[:0])
            self._known[bundle.section_path(name)] = FusingEngine(
                self.meter,
                profile.engine(name),
                own=evidence[name],
                children=[evidence[child] for child in topology.children(name)],
            )
        for name in topology.exits:
            cost = profile.engine(f"exit:{name}")
            self._known[bundle.exit_path(name)] = FusingEngine(self.meter, cost)

    def load(self, path: Path) -> FusingEngine:
        """As ddnn.nodes.build.LoadEngine."""
        return self._known[path]


class ScaledOracle:
    """What exits of a grown topology say: the greatest scores of the views that take part."""

    def __init__(self, topology: Topology, scores_RVK: NDArray[np.float32]) -> None:
        views = np.arange(topology.views) % scores_RVK.shape[1]
        self._scores_RVK = scores_RVK[:, views]
        self.absent_N = [0] * len(scores_RVK)
        self._known: dict[int, Recomputed] = {}

    def expected(self, views: int, _exit_name: str) -> Recomputed:
        """See Oracle."""
        if views not in self._known:
            if len(self._known) > 256:
                self._known.clear()
            bits = [view for view in range(self._scores_RVK.shape[1]) if views >> view & 1]
            logits_RK = _fused(self._scores_RVK[:, bits])
            best_R2 = np.sort(logits_RK, axis=1)[:, -2:]
            self._known[views] = Recomputed(*decide(logits_RK)[:2], best_R2[:, 1] - best_R2[:, 0])
        return self._known[views]


class ScaledLaboratory(Laboratory):
    """A laboratory with so many devices."""

    def __init__(
        self, bundle: Bundle, views: Views | NDArray[Any], profile: Profile, *, devices: int
    ) -> None:
        self.views = views = Views.of(views)
        scores_RVK = device_scores(bundle, views)
        self.bundle = scaled_bundle(bundle, devices, scores_RVK)
        topology = self.bundle.topology
        self.oracle = ScaledOracle(topology, scores_RVK)
        self.engines = ScaledEngines(self.bundle, scores_RVK, profile)
        self.node_bundle = referring(self.bundle)
        self.codec = ParcelCodec(topology, bundle.session, ScaledStore(topology, None))
        numbers_R = np.arange(1, len(views) + 1, dtype="<i4")
        references = numbers_R.view(np.uint8).reshape(-1, 4, 1, 1)
        self.recorded = dict.fromkeys(topology.devices, references)
