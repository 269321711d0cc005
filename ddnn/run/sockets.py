"""Opens a node's sockets, or the collector's, with its keys. Used by parent and child alike."""

from __future__ import annotations

from pathlib import Path

from ddnn.errors import ConfigError
from ddnn.run.descriptors import have_descriptors
from ddnn.run.hosts import check_exposure
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.codec import Codec
from ddnn.wire.ipc import endpoint_of
from ddnn.wire.keys import KeyRing, read_keys
from ddnn.wire.routes import peers, senders
from ddnn.wire.zeromq import DRAIN_MESSAGES, Shared, ZmqTransport, check_pair

LAST_WORDS_MS = 500
"""How long a stopping node, or launcher, may take to hand over its last messages."""


def open_sockets(
    name: str,
    topology: Topology,
    codec: Codec,
    *,
    keys: Path | None,
    insecure: bool,
    folder: Path | None = None,
    shared: Shared | None = None,
    at_once: int = DRAIN_MESSAGES,
) -> ZmqTransport:
    """The sockets of `name`, at the topology's endpoints. folder: of this machine's own sockets
    (ipc), in place of the endpoints. shared, at_once: see ZmqTransport.

    Raises ConfigError for keys that are missing or not wanted, and for an endpoint that must not
    be open; TransportError for an address in use, or too few file descriptors.
    """
    have_descriptors(topology, [name])
    if folder is None:
        check_exposure(topology, insecure=insecure)
    return ZmqTransport(
        name,
        endpoint=_endpoint(topology, name, folder),
        peers={peer: _endpoint(topology, peer, folder) for peer in peers(topology, name)},
        max_bytes=codec.max_bytes,
        senders=len(senders(topology, name)),
        keys=load_keys(topology, name, keys),
        shared=shared,
        at_once=at_once,
    )


def socket_path(folder: Path, name: str) -> Path:
    """Where in the folder of a machine's own sockets the one of `name` is."""
    return folder / f"{name}.ipc"


def _endpoint(topology: Topology, name: str, folder: Path | None) -> str:
    return topology.endpoint(name) if folder is None else endpoint_of(socket_path(folder, name))


def load_keys(topology: Topology, name: str, folder: Path | None) -> KeyRing | None:
    """The keys of `name`; None where the topology wants none.

    Raises ConfigError where it wants keys and they cannot be used, or wants none and gets some.
    """
    if not topology.security.curve:
        if folder is not None:
            raise ConfigError(
                f"--keys {folder}: topology {topology.name} uses none, want `security: "
                "{curve: true}` in it"
            )
        return None
    if folder is None:
        raise ConfigError(f"topology {topology.name} has security.curve: want --keys FOLDER")
    ring = read_keys(folder, name, (COLLECTOR, *topology.nodes))
    check_pair(name, ring.own)
    return ring
