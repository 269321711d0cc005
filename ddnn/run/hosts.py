"""Which part of a topology runs where, and what may listen there.

A machine plays one host (`--host NAME`), or all of them where every address is a loopback one.
"""

from __future__ import annotations

import socket
from itertools import combinations

from ddnn.addresses import is_loopback, parse_endpoint
from ddnn.errors import ConfigError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.routes import routes


def nodes_of_host(topology: Topology, host: str | None) -> tuple[str, ...]:
    """Names of the host's nodes in file order; None: of all.

    Raises ConfigError for a host that the topology does not have.
    """
    if host is None:
        return tuple(topology.nodes)
    if host not in topology.hosts:
        raise ConfigError(f"--host: no host named {host!r} (known: {', '.join(topology.hosts)})")
    return tuple(name for name in topology.nodes if topology.host(name) == host)


def check_reachable(topology: Topology, *, source: str) -> None:
    """Raises ConfigError for a node at a loopback address to which another machine connects.

    Loopback addresses throughout are one machine that plays all hosts.
    """
    names = (COLLECTOR, *topology.nodes)
    if all(is_loopback(topology.endpoint(name)) for name in names):
        return
    for sender, name, _ in sorted(routes(topology)):
        if is_loopback(topology.endpoint(name)) and topology.host(sender) != topology.host(name):
            key = f"{name}.endpoint" if name == COLLECTOR else f"nodes.{name}.endpoint"
            raise ConfigError(
                f"{source}: {key}: got {topology.endpoint(name)!r}, which {sender} on host "
                f"{topology.host(sender)} cannot reach; want an address of host "
                f"{topology.host(name)}"
            )


def check_names(topology: Topology, *, source: str) -> None:
    """Raises ConfigError for two nodes of one host with one port whose names are one address here.

    Names are looked up only where two such nodes are at different ones; unknown ones are let pass.
    """
    by_place: dict[tuple[str, int], dict[str, frozenset[str]]] = {}
    for name in (COLLECTOR, *topology.nodes):
        port = parse_endpoint(topology.endpoint(name)).port
        by_place.setdefault((topology.host(name), port), {})[name] = frozenset()
    for beside in by_place.values():
        if len(beside) == 1:
            continue
        for name in beside:
            beside[name] = _addresses_of(parse_endpoint(topology.endpoint(name)).host)
        for one, two in combinations(beside, 2):
            if common := beside[one] & beside[two]:
                raise ConfigError(
                    f"{source}: nodes.{two}.endpoint: {topology.endpoint(two)} and {one}'s "
                    f"{topology.endpoint(one)} are both {min(common)} here, want another port"
                )


def _addresses_of(host: str) -> frozenset[str]:
    """What the name stands for here; of an unknown one nothing."""
    try:
        return frozenset(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    except OSError:
        return frozenset()


def check_host(topology: Topology, host: str | None) -> None:
    """Raises ConfigError where a machine would have to play several hosts and cannot."""
    nodes_of_host(topology, host)
    check_reachable(topology, source=f"topology {topology.name}")
    if host is not None or len(topology.hosts) == 1:
        return
    for name in (COLLECTOR, *topology.nodes):
        if not is_loopback(topology.endpoint(name)):
            raise ConfigError(
                f"topology {topology.name} has hosts {', '.join(topology.hosts)} and {name} at "
                f"{topology.endpoint(name)}: want --host NAME, or loopback addresses throughout"
            )


def check_exposure(topology: Topology, *, insecure: bool) -> None:
    """Raises ConfigError for a node that would listen to other machines without CURVE."""
    if topology.security.curve or insecure:
        return
    for name in (COLLECTOR, *topology.nodes):
        endpoint = topology.endpoint(name)
        if not is_loopback(endpoint):
            raise ConfigError(
                f"{name}: {endpoint} is open to other machines and nothing is encrypted: want "
                "`security: {curve: true}` in the topology, or --insecure"
            )
