"""Ports that the system found free and gives to nobody else: several tests run at once."""

import socket
import sys
from collections import deque

from ddnn.topology import COLLECTOR, Topology

MOST = 100
"""Held at once: the newest, which are of the test that runs."""
_HELD: deque[socket.socket] = deque()


def free_port() -> int:
    """Who listens there need not hurry: Linux lets it have the port beside who holds it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    port = int(sock.getsockname()[1])
    if sys.platform != "linux":
        sock.close()
        return port
    _HELD.append(sock)
    while len(_HELD) > MOST:
        _HELD.popleft().close()
    return port


def free_endpoints(topology: Topology) -> dict[str, str]:
    """An address of its own for the collector and each node."""
    return {name: f"tcp://127.0.0.1:{free_port()}" for name in (COLLECTOR, *topology.nodes)}
