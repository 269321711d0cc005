"""Small topologies and synthetic views: the doubles of tests that need no network.

Axes: N samples, V views.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ddnn import shipped
from ddnn.data.multiview import MultiView
from ddnn.topology import Topology, read_topology

MEASURED = tuple(
    name for name in shipped.names("topologies") if not read_topology(name).has_modules
)
"""The shipped topologies all of whose shapes are known before training."""


def star(devices: int = 3, **changes: Any) -> dict[str, Any]:
    """The document of a small topology: devices, a gateway with the local exit, a cloud."""
    ports = iter(range(20001, 22000))
    nodes: dict[str, Any] = {
        f"cam{view}": {"role": "device", "view": view, "parent": "cloud"} for view in range(devices)
    }
    nodes |= {"gateway": {"role": "gateway"}, "cloud": {"role": "cloud"}}
    for node in nodes.values():
        node["endpoint"] = f"tcp://127.0.0.1:{next(ports)}"
    return {
        "name": "star",
        "classes": ["car", "bus", "person"],
        "view": {"channels": 1, "height": 8, "width": 8},
        "tiers": [
            {"name": "device", "section": _binary(), "exit": {"at": "gateway", "threshold": 0.8}},
            {"name": "cloud", "section": _binary(), "exit": {"at": "cloud"}},
        ],
        "collector": {"endpoint": "tcp://127.0.0.1:20000"},
        "nodes": nodes,
        **changes,
    }


def _binary() -> dict[str, Any]:
    blocks = [{"kind": "convp", "filters": 2}]
    return {"weight_bits": 1, "activation_bits": 1, "blocks": blocks}


def star_topology(devices: int = 3, **changes: Any) -> Topology:
    """`star`, checked."""
    return Topology.model_validate(star(devices, **changes))


def patient(topology: Topology, *, seconds: float = 20.0) -> Topology:
    """The same topology, waiting so long that a busy machine loses nothing."""
    document = topology.model_dump(mode="json")
    waits_ms = seconds * 1000
    for tier in document["tiers"]:
        tier["deadline_ms"] = waits_ms
        if tier["exit"] is not None:
            tier["exit"]["deadline_ms"] = waits_ms + 1
        waits_ms += 2
    document["collector"]["answer_ms"] = 2 * waits_ms
    document["heartbeat"] = {"interval_ms": 200, "patience": round(seconds * 5)}
    return Topology.model_validate(document)


def sensors(**tier: Any) -> dict[str, Any]:
    """A star of a camera, a motion sensor of 16-bit integers and a microphone's spectrogram, whose
    views differ in size and type; each sends 6 features. tier: keys of the device tier."""
    document = star(3)
    blocks = [{"kind": "convp", "filters": 2}, {"kind": "fc", "units": 6}]
    section = {"blocks": blocks, "weight_bits": 1, "activation_bits": 1}
    document["tiers"][0] |= {"section": section} | tier
    document["tiers"][1]["section"] = {"blocks": [{"kind": "fc", "units": 8}]}
    document["nodes"]["cam1"]["view"] = {"channels": 6, "length": 32, "type": "int16"}
    document["nodes"]["cam2"]["view"] = {
        "channels": 1, "height": 10, "width": 12, "type": "float32", "index": 2,
    }  # fmt: skip
    return document


def unattended(topology: Topology) -> Topology:
    """The same topology, whose nodes stay dead when they die."""
    document = topology.model_dump(mode="json")
    for node in document["nodes"].values():
        node["restart"] = "never"
    return Topology.model_validate(document)


def random_views(topology: Topology, samples: int, seed: int = 0) -> MultiView:
    """Noise whose brightness and stripes depend on the class; every view sees the object."""
    rng = np.random.default_rng(seed)
    classes = len(topology.classes)
    labels_N = rng.integers(0, classes, samples)
    labels_NV = np.repeat(labels_N[:, None], topology.views, axis=1)
    stripes_N = (labels_N * (90 // classes)).reshape(-1, 1, 1, 1)
    kinds = [topology.view_of(device) for device in topology.devices]
    if len({(kind.shape, kind.type) for kind in kinds}) == 1:
        noise = rng.integers(0, 160, (samples, topology.views, *kinds[0].shape))
        arrays = [noise[:, v] for v in range(topology.views)]
    else:
        arrays = [rng.integers(0, 160, (samples, *kind.shape)) for kind in kinds]
    for array in arrays:
        array[..., ::2] += stripes_N
    views = [array.astype(kind.type) for array, kind in zip(arrays, kinds, strict=True)]
    return MultiView(views=views, labels_NV=labels_NV, classes=topology.classes)
