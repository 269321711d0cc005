"""Whether the links that a topology emulates are links on which something travels."""

from __future__ import annotations

from ddnn.errors import ConfigError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.routes import peers


def check_links(topology: Topology, *, source: str) -> None:
    """Raises ConfigError for an emulated link that would do nothing. source: the file."""
    for number, link in enumerate(topology.links):
        where = f"{source}: links.{number}"
        if link.sender == COLLECTOR:
            raise ConfigError(f"{where}.from: collector's links are not emulated, want a node's")
        known = peers(topology, link.sender)
        if link.receiver not in known:
            raise ConfigError(
                f"{where}.to: {link.sender} sends nothing to {link.receiver!r}, want one of "
                f"{', '.join(known)}"
            )
