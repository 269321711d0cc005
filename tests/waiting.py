"""Waiting for something to become true, and what is left of processes."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ddnn.topology import COLLECTOR, Topology


def wait_until(predicate: Callable[[], object], deadline_s: float = 60.0) -> None:
    """Returns as soon as it holds; fails after deadline_s."""
    end_s = time.monotonic() + deadline_s
    while not predicate():
        if time.monotonic() > end_s:
            pytest.fail(f"still not so after {deadline_s} s: {predicate}")
        time.sleep(0.02)


def node_processes(bundle: Path, before: str = "") -> list[str]:
    """Command lines of the node processes that use the bundle; before: `ps` columns."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", f"{before}args="], capture_output=True, text=True, check=True
    )
    nodes = [line for line in listed.stdout.splitlines() if "ddnn.run.child" in line]
    return [line for line in nodes if str(bundle) in line]


def assert_nothing_is_left(bundle: Path, topology: Topology) -> None:
    """No node process runs and every port can be bound.

    A process that is going loses its command line before its sockets: ports get a moment.
    """
    assert node_processes(bundle) == []
    for name in (COLLECTOR, *topology.nodes):
        host, port = topology.endpoint(name).removeprefix("tcp://").split(":")
        wait_until(lambda host=host, port=int(port): is_free(host, port))


def is_free(host: str, port: int) -> bool:
    """Whether the port can be bound."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True
