"""File descriptors: how many a process of a launch needs, and that it may have them.

ZeroMQ ends the process, or waits for ever, where it cannot have those that it begins with.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable
from contextlib import suppress

from ddnn.errors import TransportError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.guard import HALF_OPEN, STRANGERS
from ddnn.wire.routes import peers, senders

OWN = 32
"""Of Python, its modules and the files a process has open for a moment."""
SOCKETS = 12
"""Of ZeroMQ's threads, the bound socket and the doorman."""
PEER = 5
"""Three of a socket that connects, one of the connection, one to count its bytes by."""
SENDER = 2
CROWD = HALF_OPEN + 2 * STRANGERS
"""Of those who connect and have no business here; see `wire.guard`."""
CHILD = 4
"""Pipes to a child process, and its port where the system chose it."""


def needed_descriptors(topology: Topology, name: str) -> int:
    """How many the process of `name` has open at most; the collector starts all others."""
    children = len(topology.nodes) if name == COLLECTOR else 0
    together = (name,) if name == COLLECTOR else topology.pack(name)
    sockets = sum(
        SOCKETS + PEER * len(peers(topology, each)) + SENDER * len(senders(topology, each)) + CROWD
        for each in together
    )
    return OWN + sockets + CHILD * children


def have_descriptors(topology: Topology, names: Iterable[str]) -> None:
    """Raises the soft limit to the hard one.

    Raises TransportError where that is not enough for a process of one of these names.
    """
    for name in names:
        have(needed_descriptors(topology, name), f"{name} of {topology.name}")


def have(needed: int, who: str) -> None:
    """As `have_descriptors`, for a process that is told how many it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS has a limit below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise TransportError(
            f"Too many open files: {who} needs {needed} file descriptors, may have {soft}; want "
            f"`ulimit -n {needed}` or more"
        )
