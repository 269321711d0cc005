"""Nodes that several processes share: replicas of one section, each with an endpoint of its own.

`replicas: 2` of a node `cloud` adds a node `cloud-2`, which is what `cloud` is, elsewhere. All that
speaks of the network (sections, shapes, members, children) knows `cloud` alone; all that speaks of
processes (endpoints, hosts, routes, failures) knows both.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ddnn.addresses import parse_endpoint
from ddnn.errors import ConfigError
from ddnn.topology_parts import DEVICE, MAX_REPLICAS
from ddnn.topology_structure import Structure

_SAME = ("role", "parent", "fallback", "section")
_INHERITED = (*_SAME, "host", "limits", "restart")


def with_replicas(document: Any) -> Any:
    """A topology's document with a node for each replica, after all others.

    One that the file gives itself (`cloud-2: {replica_of: cloud, ...}`) keeps what it says. What is
    no topology is left as it is: the model says what is wrong with it.
    """
    nodes = document.get("nodes") if isinstance(document, dict) else None
    if not isinstance(nodes, dict):
        return document
    found = {name: _counted(node) for name, node in nodes.items()}
    for name, node in nodes.items():
        for replica, endpoint in _wanted(name, node):
            found.setdefault(replica, {"replica_of": name, "endpoint": endpoint})
    others = Counter(_original(node) for node in found.values())
    filled = {name: _filled(name, found) for name in found}
    counted = {name: _with_count(node, others[name] + 1) for name, node in filled.items()}
    return document | {"nodes": counted}


def _counted(node: Any) -> Any:
    """The node with the number of its replicas in place of their endpoints."""
    others = node.get("replicas") if isinstance(node, dict) else None
    if isinstance(others, list | tuple):
        return node | {"replicas": len(others) + 1}
    return node


def _wanted(name: str, node: Any) -> list[tuple[str, str]]:
    """Names and endpoints of the other replicas: of a list its own, else the ports that follow."""
    replicas = node.get("replicas") if isinstance(node, dict) else None
    if isinstance(replicas, list | tuple):
        return [(f"{name}-{number}", endpoint) for number, endpoint in enumerate(replicas, 2)]
    if not isinstance(replicas, int) or not 1 < replicas <= MAX_REPLICAS:
        return []
    try:
        address = parse_endpoint(str(node.get("endpoint")))
    except ConfigError:
        return []
    start, _, _ = str(node["endpoint"]).rpartition(":")
    return [(f"{name}-{n}", f"{start}:{address.port + n - 1}") for n in range(2, replicas + 1)]


def _filled(name: str, nodes: dict[str, Any]) -> Any:
    """A replica with what it does not say taken from its node."""
    node = nodes[name]
    original = _original(node)
    if original is None:
        return node
    if original == name or not isinstance(nodes.get(original), dict):
        raise ConfigError(f"nodes.{name}.replica_of: no other node named {original!r}")
    return {key: nodes[original][key] for key in _INHERITED if key in nodes[original]} | node


def _with_count(node: Any, count: int) -> Any:
    """A node with the number of its replicas, where the file gives each by itself."""
    if count > 1 and isinstance(node, dict) and node.get("replicas") is None:
        return node | {"replicas": count}
    return node


def _original(node: Any) -> str | None:
    name = node.get("replica_of") if isinstance(node, dict) else None
    return name if isinstance(name, str) else None


def check_replicas(topology: Structure) -> None:
    """Raises ConfigError for a replica of what can have none, or that differs from its node."""
    for name, node in topology.nodes.items():
        if node.replica_of is not None:
            _check_replica(topology, name, node.replica_of)
    for name, node in topology.nodes.items():
        if node.replicas is not None:
            _check_count(topology, name, node.replicas)


def _check_replica(topology: Structure, name: str, original: str) -> None:
    where, node, known = f"nodes.{name}", topology.nodes[name], topology.nodes[original]
    if known.replica_of is not None:
        raise ConfigError(
            f"{where}.replica_of: {original!r} is a replica itself, want {known.replica_of!r}"
        )
    for key in _SAME:
        if getattr(node, key) != getattr(known, key):
            raise ConfigError(f"{where}.{key}: differs from {original}'s, want the same of both")


def _check_count(topology: Structure, name: str, wanted: int) -> None:
    where, count = f"nodes.{name}.replicas", len(topology.replicas(name))
    if topology.nodes[name].role == DEVICE:
        raise ConfigError(
            f"{where}: got {wanted} of a device, which has one camera; want replicas of a gateway "
            "or a node above"
        )
    if count != wanted:
        raise ConfigError(
            f"{where}: got {wanted}, but there are {count}; want no other nodes named {name}-2 to "
            f"{name}-{wanted}"
        )
