"""Which part of a topology runs where, and what may listen there.

A machine plays one host (`--host NAME`), or all of them where every address is a loopback one.
"""

from __future__ import annotations

from ddnn.addresses import is_loopback
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
