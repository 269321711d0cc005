"""Which part of a topology runs where, and what may listen there.

A machine plays one host (`--host NAME`), or all of them where every address is a loopback one.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ddnn.errors import ConfigError
from ddnn.topology import COLLECTOR, Topology


def nodes_of_host(topology: Topology, host: str | None) -> tuple[str, ...]:
    """Names of the host's nodes in file order; None: of all.

    Raises ConfigError for a host that the topology does not have.
    """
    if host is None:
        return tuple(topology.nodes)
    if host not in topology.hosts:
        raise ConfigError(f"--host: no host named {host!r} (known: {', '.join(topology.hosts)})")
    return tuple(name for name in topology.nodes if topology.host(name) == host)


def check_host(topology: Topology, host: str | None) -> None:
    """Raises ConfigError where a machine would have to play several hosts and cannot."""
    nodes_of_host(topology, host)
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


def is_loopback(endpoint: str) -> bool:
    """Whether only this machine reaches the endpoint; a name but `localhost` counts as others'."""
    address = urlsplit(endpoint).hostname or ""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
