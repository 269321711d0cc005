"""Who sends what to whom: follows from the topology alone."""

from __future__ import annotations

from ddnn.topology import COLLECTOR, DEVICE, Topology
from ddnn.wire.messages import Kind

Route = tuple[str, str, Kind]
TO_COLLECTOR = (Kind.HELLO, Kind.HEARTBEAT, Kind.ACCOUNT)
FROM_COLLECTOR = (Kind.ROLL, Kind.HEARTBEAT, Kind.STOP)
"""Beside samples and verdicts; of and to every node."""


def routes(topology: Topology) -> frozenset[Route]:
    """All (sender, receiver, kind) that are meant; a message on any other is refused."""
    return _index(topology).routes


class _Index:
    """What follows from one topology, found once."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.routes = _all_routes(topology)
        self.peers: dict[str, set[str]] = {}
        self.senders: dict[str, set[str]] = {}
        for sender, receiver, _ in self.routes:
            self.peers.setdefault(sender, set()).add(receiver)
            self.senders.setdefault(receiver, set()).add(sender)
        self.keepers = _all_keepers(topology)
        self.kept: dict[str, set[str]] = {}
        for name, keepers in self.keepers.items():
            for keeper in keepers:
                self.kept.setdefault(keeper, set()).add(name)


_LATEST: list[_Index] = []
"""The index asked for last: of a thousand nodes it takes a while to make."""


def _index(topology: Topology) -> _Index:
    if not _LATEST or _LATEST[0].topology is not topology:
        _LATEST[:] = [_Index(topology)]
    return _LATEST[0]


def _all_routes(topology: Topology) -> frozenset[Route]:
    nodes = topology.nodes
    data = set(_replicated(topology))
    beats = {(sender, receiver, Kind.HEARTBEAT) for sender, receiver, _ in data}
    back = {(to, sender, Kind.HEARTBEAT) for sender, to, _ in data if _is_replicated(topology, to)}
    return frozenset(
        data
        | beats
        | back
        | {(name, COLLECTOR, kind) for name in nodes for kind in TO_COLLECTOR}
        | {(COLLECTOR, name, kind) for name in nodes for kind in FROM_COLLECTOR}
    )


def peers(topology: Topology, name: str) -> tuple[str, ...]:
    """Everyone `name` sends to, sorted."""
    return tuple(sorted(_index(topology).peers.get(name, ())))


def neighbours(topology: Topology, name: str) -> frozenset[str]:
    """Everyone `name` sends to or hears."""
    return frozenset((*peers(topology, name), *senders(topology, name)))


def senders(topology: Topology, name: str) -> tuple[str, ...]:
    """Everyone who sends to `name`, sorted."""
    return tuple(sorted(_index(topology).senders.get(name, ())))


def watchers(topology: Topology, name: str) -> frozenset[str]:
    """Who waits for `name` and gives it up when it is silent: whoever takes its scores or
    features, the collector, those whose features go past it while it is gone, and, where it has
    replicas, whoever chooses among them."""
    sent = _replicated(topology)
    data = {to for sender, to, kind in sent if sender == name and kind.is_data}
    parent = topology.original(name)
    past = {n for n, node in topology.nodes.items() if node.fallback and node.parent == parent}
    choosing = set[str]()
    if _is_replicated(topology, name):
        choosing = {sender for sender, to, _ in sent if to == name}
    return frozenset(data | past | choosing | {COLLECTOR})


def keepers(topology: Topology, name: str) -> frozenset[str]:
    """Whom an idle device beats for, while others hear of it seldom: who takes its scores, or its
    features where its tier has no exit. Nobody keeps what is no device, or holds an exit."""
    return _index(topology).keepers.get(name, frozenset())


def kept(topology: Topology, name: str) -> frozenset[str]:
    """The devices that `name` is a keeper of."""
    return frozenset(_index(topology).kept.get(name, ()))


def told(topology: Topology, name: str) -> frozenset[str]:
    """Who watches `name` and hears of each of its keepers when it has fallen silent."""
    keeping = keepers(topology, name)
    if not keeping:
        return frozenset()
    found = watchers(topology, name) - keeping
    return found.intersection(*(peers(topology, keeper) for keeper in keeping))


def _all_keepers(topology: Topology) -> dict[str, frozenset[str]]:
    if not topology.devices:
        return {}
    tier = topology.tier(DEVICE)
    holder = tier.exit.at if tier.exit else None
    replicas: dict[str, set[str]] = {}
    for name in topology.nodes:
        replicas.setdefault(topology.original(name), set()).add(name)
    holding = {other.exit.at for other in topology.exits.values() if other.exit}
    return {
        name: frozenset(replicas[holder or topology.nodes[name].parent or name])
        for name in topology.devices
        if name not in holding and (holder or topology.nodes[name].parent)
    }


def _replicated(topology: Topology) -> list[Route]:
    """The routes of samples and verdicts, between all replicas of both ends."""
    found = _sample_routes(topology)
    replicas: dict[str, list[str]] = {}
    for name, node in topology.nodes.items():
        if node.replica_of is not None:
            replicas.setdefault(node.replica_of, [node.replica_of]).append(name)
    if not replicas:
        return found
    return [
        (one, other, kind)
        for sender, receiver, kind in found
        for one in replicas.get(sender, [sender])
        for other in replicas.get(receiver, [receiver])
    ]


def _is_replicated(topology: Topology, name: str) -> bool:
    if name == COLLECTOR:
        return False
    return (topology.nodes[topology.original(name)].replicas or 1) > 1


def _sample_routes(topology: Topology) -> list[Route]:
    found = [(COLLECTOR, name, Kind.CAPTURE) for name in topology.devices]
    found += [
        (name, COLLECTOR, kind) for name in topology.devices for kind in (Kind.TRIGGER, Kind.VIEW)
    ]
    for name in topology.section_nodes:
        parent = topology.nodes[name].parent
        if parent is not None:
            found.append((name, parent, Kind.FEATURES))
        fallback = topology.nodes[name].fallback
        if parent is not None and fallback is not None:
            found.append((name, fallback, Kind.FEATURES))
            found.append((parent, name, Kind.HEARTBEAT))
    for number, tier in enumerate(topology.tiers):
        if tier.exit is None:
            continue
        at = tier.exit.at
        found.append((at, COLLECTOR, Kind.VERDICT))
        for member in topology.members(tier.name):
            if member != at:
                found.append((member, at, Kind.SCORES))
                found.append((at, member, Kind.ASK))
        if number + 1 < len(topology.tiers):
            above = topology.members(topology.tiers[number + 1].name)
            found += [(at, name, Kind.EXPECT) for name in above if name != at]
    return found
