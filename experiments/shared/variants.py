"""The networks of the DDNN paper's experiments as topologies, for the data at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ddnn.data.multiview import DataSet
from ddnn.topology import Aggregator, Topology, read_topology
from ddnn.training.settings import PRESETS

BATCHES = {"batch": PRESETS["robust"].batch, "epochs": PRESETS["robust"].epochs}
"""With these the paper's recipe makes as many updates as `robust`, in place of 100."""
WITH_BATCHES = "batches"
PATIENCE = 20
"""Deadlines and heartbeats of the shipped topologies times this: a launch beside other work then
loses nothing, and its verdicts can be held against the offline ones."""


def each_way(names: Iterable[str]) -> list[str]:
    """Settings of these names by the paper's recipe, then with BATCHES."""
    plain = list(names)
    return [*plain, *(f"{name}, {WITH_BATCHES}" for name in plain)]


def way_of(setting: str) -> tuple[str, dict[str, Any]]:
    """Name and what is changed of the recipe, of a setting of `each_way`."""
    name, _, way = setting.partition(", ")
    return name, dict(BATCHES) if way == WITH_BATCHES else {}


def cameras(
    data: DataSet,
    *,
    filters: Sequence[int] = (4,),
    local: Aggregator = "max",
    cloud: Aggregator = "concat",
) -> Topology:
    """Figure 2 (c) with a device for each of the data's cameras, MP-CC by default.

    filters: of each device's ConvP blocks; every block halves height and width.
    """
    document = _document("six-cameras", data)
    first, last = document["tiers"]
    first["section"]["blocks"] = [
        {"kind": "convp", "filters": count, "pool_stride": 2} for count in filters
    ]
    first["exit"]["aggregator"] = local
    last["aggregator"] = cloud
    nodes = document["nodes"]
    upper = {name: node for name, node in nodes.items() if node["role"] != "device"}
    devices = {
        f"cam{view}": {
            "role": "device",
            "view": view,
            "parent": "cloud",
            "endpoint": f"tcp://127.0.0.1:{5800 + view}",
        }
        for view in range(len(data.view_names))
    }
    return Topology.model_validate(document | {"nodes": devices | upper})


def shipped(name: str, data: DataSet) -> Topology:
    """A topology that ships with ddnn, for the data's classes and view size."""
    return Topology.model_validate(_document(name, data))


def _document(name: str, data: DataSet) -> dict[str, Any]:
    document = read_topology(name).model_dump(mode="json")
    channels, height, width = data.samples.views_NVCHW.shape[2:]
    document["classes"] = list(data.samples.classes)
    document["view"] = {"channels": channels, "height": height, "width": width}
    return patient(document)


def patient(document: dict[str, Any]) -> dict[str, Any]:
    """The document, changed: deadlines and heartbeats times PATIENCE."""
    for tier in document["tiers"]:
        tier["deadline_ms"] *= PATIENCE
        if tier["exit"] is not None:
            tier["exit"]["deadline_ms"] *= PATIENCE
    document["collector"]["answer_ms"] *= PATIENCE
    document["heartbeat"]["patience"] *= PATIENCE
    return document
