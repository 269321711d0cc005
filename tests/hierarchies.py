"""Small topologies with fallbacks: one or two edges, with and without exits, and a chain of four.

Their devices see 8 x 8 grey pixels, as those of `builders.star`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ddnn.topology import Topology

BLOCKS = [{"kind": "convp", "filters": 2, "pool_stride": 1}]
SECTION = {"weight_bits": 1, "activation_bits": 1, "blocks": BLOCKS}


def hierarchy(
    parents: Mapping[str, str],
    *,
    past: tuple[str, ...],
    exits: tuple[str, ...] = ("device", "edge", "cloud"),
    at: str = "edge0",
) -> Topology:
    """parents: of devices `cam0` ..., edges and fogs; `cloud` is the top. past: who has its
    parent's parent as fallback. exits: tiers that have one; the edges' is at the node `at`."""
    ports = iter(range(20101, 20200))
    nodes: dict[str, Any] = {}
    for name in (*parents, "gateway", "cloud"):
        role = {"cam": "device", "edg": "edge"}.get(name[:3], name)
        nodes[name] = {"role": role, "endpoint": f"tcp://127.0.0.1:{next(ports)}"}
        if role == "device":
            nodes[name]["view"] = int(name[3:])
        if name in parents:
            nodes[name]["parent"] = parents[name]
        if name in past:
            nodes[name]["fallback"] = parents[parents[name]]
    holders = {"device": "gateway", "edge": at}
    tiers = [
        {"name": tier, "aggregator": "concat", "section": SECTION}
        | ({"exit": _exit(tier, holders.get(tier, tier))} if tier in exits else {})
        for tier in dict.fromkeys(node["role"] for node in nodes.values())
        if tier != "gateway"
    ]
    return Topology.model_validate(
        {
            "name": "hierarchy",
            "classes": ["car", "bus", "person"],
            "view": {"channels": 1, "height": 8, "width": 8},
            "tiers": tiers,
            "collector": {"endpoint": "tcp://127.0.0.1:20100"},
            "nodes": nodes,
        }
    )


def _exit(tier: str, at: str) -> dict[str, Any]:
    return {"at": at} if tier == "cloud" else {"at": at, "threshold": 0.8}


def _cams(*edges: str) -> dict[str, str]:
    """One device an entry, with this edge as parent."""
    return {f"cam{view}": edge for view, edge in enumerate(edges)}


def _all() -> Iterator[tuple[str, Topology]]:
    one = _cams("edge0", "edge0", "edge0") | {"edge0": "cloud"}
    two = _cams("edge0", "edge0", "edge1", "edge1") | {"edge0": "cloud", "edge1": "cloud"}
    fog = _cams("edge0", "edge0", "edge1", "edge1") | {
        "edge0": "fog",
        "edge1": "fog",
        "fog": "cloud",
    }
    cams = tuple(name for name in fog if name.startswith("cam"))
    yield "one edge", hierarchy(one, past=("cam0", "cam1", "cam2"))
    yield "one edge, no exit", hierarchy(one, past=("cam0", "cam1", "cam2"), exits=ENDS)
    yield "one edge, one way past", hierarchy(one, past=("cam1",))
    yield "two edges", hierarchy(two, past=cams)
    yield "two edges, no exit", hierarchy(two, past=cams, exits=ENDS)
    yield "two edges, ways past one", hierarchy(two, past=("cam2", "cam3"))
    yield "two edges, some ways past", hierarchy(two, past=("cam0", "cam3"), at="edge1")
    yield "fog", hierarchy(fog, past=cams)
    yield "fog, ways past both", hierarchy(fog, past=(*cams, "edge0", "edge1"))
    yield "fog with an exit", hierarchy(fog, past=("cam0", "cam2", "edge1"), exits=(*TIERS,))


TIERS = ("device", "edge", "fog", "cloud")
ENDS = ("device", "cloud")
HIERARCHIES = dict(_all())
