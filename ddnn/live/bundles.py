"""Whether a live system may go on with other thresholds, or with another bundle."""

from __future__ import annotations

import socket
from pathlib import Path

from ddnn.addresses import parse_endpoint
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import BundleError, ConfigError, LaunchError
from ddnn.run.hosts import nodes_of_host
from ddnn.topology import COLLECTOR, Topology

REACH_S = 2.0
"""How long another host's node may take to let somebody in."""


def bundle_to_swap(path: Path, host: str | None) -> Bundle:
    """Another run's bundle, with the files that this host needs. Raises DdnnError."""
    if host is None:
        return load_bundle(path)
    return load_bundle(path, nodes_of_host(load_bundle(path, ()).topology, host))


def new_rules(bundle: Bundle) -> dict[str, ExitRule]:
    """How the exits of the bundle in the same folder decide now.

    Raises BundleError where it is no longer of the same models.
    """
    now = load_bundle(bundle.folder, ())
    if now.manifest.sha256 != bundle.manifest.sha256:
        raise BundleError(f"{bundle.folder}: other models than those that run, want --swap")
    return now.manifest.exits


def check_alike(old: Topology, new: Topology, host: str | None) -> None:
    """Raises ConfigError where the same cameras and readers of verdicts could not go on.

    host: that this machine plays, None: all, which chooses other ports by itself.
    """
    for what, one, other in (
        ("classes", old.classes, new.classes),
        ("devices", old.devices, new.devices),
        ("views", _views(old), _views(new)),
    ):
        if one != other:
            raise ConfigError(f"--swap: {what} are {list(other)}, want {list(one)}")
    if host is None:
        return
    for name in (COLLECTOR, *new.devices):
        if new.host(name) != old.host(name):
            raise ConfigError(f"--swap: {name} is on host {new.host(name)}, want {old.host(name)}")
    used = {old.endpoint(name) for name in (COLLECTOR, *old.nodes)}
    for name in (COLLECTOR, *new.nodes):
        if new.endpoint(name) in used:
            raise ConfigError(
                f"--swap: {name} at {new.endpoint(name)}, which is used by what runs; want other "
                "ports (ddnn bundle place)"
            )


def check_reached(topology: Topology, host: str | None) -> None:
    """Raises LaunchError for a node of another host that nobody has started."""
    for name in topology.nodes:
        if host is None or topology.host(name) == host:
            continue
        place = parse_endpoint(topology.endpoint(name))
        try:
            socket.create_connection((place.host, place.port), REACH_S).close()
        except OSError as error:
            raise LaunchError(
                f"{name} (host {topology.host(name)}): nobody at {topology.endpoint(name)}, "
                f"{error.strerror or error}; want `ddnn serve --swap` on that host first"
            ) from error


def _views(topology: Topology) -> tuple[str, ...]:
    return tuple(str(topology.view_of(name)) for name in topology.devices)
