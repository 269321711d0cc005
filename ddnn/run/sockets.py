"""Opens a node's sockets, or the collector's, with its keys. Used by parent and child alike."""

from __future__ import annotations

from pathlib import Path

from ddnn.errors import ConfigError
from ddnn.run.descriptors import have_descriptors
from ddnn.run.hosts import check_exposure
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.codec import Codec
from ddnn.wire.keys import KeyRing, read_keys
from ddnn.wire.routes import peers, senders
from ddnn.wire.zeromq import ZmqTransport, check_pair

LAST_WORDS_MS = 500
"""How long a stopping node, or launcher, may take to hand over its last messages."""


def open_sockets(
    name: str, topology: Topology, codec: Codec, *, keys: Path | None, insecure: bool
) -> ZmqTransport:
    """The sockets of `name`, at the topology's endpoints.

    Raises ConfigError for keys that are missing or not wanted, and for an endpoint that must not
    be open; TransportError for an address in use, or too few file descriptors.
    """
    have_descriptors(topology, [name])
    check_exposure(topology, insecure=insecure)
    return ZmqTransport(
        name,
        endpoint=topology.endpoint(name),
        peers={peer: topology.endpoint(peer) for peer in peers(topology, name)},
        max_bytes=codec.max_bytes,
        senders=len(senders(topology, name)),
        keys=load_keys(topology, name, keys),
    )


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
