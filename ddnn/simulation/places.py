"""Which processes fail and keep time together, and whether all links between them are alike."""

from __future__ import annotations

from ddnn.simulation.network import Conditions
from ddnn.topology import COLLECTOR, Topology


def is_even(topology: Topology, conditions: Conditions) -> bool:
    """Whether links do nothing but take their time, so that nobody is left out by chance."""
    emulated = any(link.loss or link.latency_ms or link.bandwidth_kbps for link in topology.links)
    return not (emulated or conditions.loss or conditions.reorder or conditions.bandwidth_kbps)


def hosts_of(topology: Topology) -> dict[str, str]:
    """By process, what fails and keeps time together: its host, or, on one host, itself."""
    names = (COLLECTOR, *topology.nodes)
    many = len(topology.hosts) > 1
    return {name: topology.host(name) if many else name for name in names}
