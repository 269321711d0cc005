"""One process that serves a node of many sites: see ddnn.nodes.fleet.

A fleet file names the sites. Each is a topology of its own (its `name` is the site's), most over
the same trained network, and has a bundle of its own, so that a site is added, moved or given
another network without a word to the others:

    sites:
      north: {bundle: bundles/north, weight: 2}
      south: {bundle: bundles/south, samples_per_s: 200, keys: keys/south}
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pydantic import Field

from ddnn.blocks import Model
from ddnn.bundle.load import Bundle, check_files, load_bundle
from ddnn.bundle.manifest import files_of
from ddnn.errors import ConfigError, DdnnError
from ddnn.nodes.build import patience_s
from ddnn.nodes.engine import Engine
from ddnn.nodes.fleet import Fleet, Tenant
from ddnn.nodes.gather import SLOTS
from ddnn.run.child.config import ChildConfig
from ddnn.run.child.serve import asked_to_stop
from ddnn.run.child.served import Served, open_node
from ddnn.run.descriptors import have, needed_descriptors
from ddnn.run.launcher.start import check_ports
from ddnn.run.sockets import LAST_WORDS_MS
from ddnn.topology import DEVICE, Name, Topology
from ddnn.wire.budget import PAGE_BYTES, Bucket
from ddnn.wire.codec import Codec
from ddnn.wire.messages import MAX_ROWS
from ddnn.wire.routes import senders
from ddnn.wire.zeromq import Shared
from ddnn.yamlfile import read_yaml

AT_ONCE = 16
TURN_ROWS = 8
"""Messages and samples of a site's turn at most: as long as that takes, the others wait."""
ROWS = 2
"""So many a sender and sample are within a site's limit: one that matters, and one for the rest."""


class Site(Model):
    """Of a fleet file."""

    bundle: str = Field(description="folder of its bundle, beside the file")
    keys: str | None = Field(None, description="folder of its keys, where its topology wants some")
    weight: float = Field(1, gt=0, le=1000, description="of its turns, where time is short")
    samples_per_s: float | None = Field(
        None, gt=0, le=1e6, description="what it may send on the average; default: no limit"
    )


class FleetFile(Model):
    """A checked fleet file."""

    sites: dict[Name, Site] = Field(min_length=1, max_length=4096, description="by name")


class _Engines:
    """Sections and exits, each loaded once whichever site wants it."""

    def __init__(self) -> None:
        self._known: dict[bytes, Engine] = {}

    def load(self, path: Path) -> Engine:
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in self._known:
            self._known[digest] = Engine(path)
        return self._known[digest]


def serve_fleet(path: Path, node: str, *, insecure: bool, say: Callable[[str], None]) -> None:
    """Runs `node` of every site in the fleet file until SIGTERM or SIGINT. say: told what happens.

    A site that cannot be opened is named, and the others are served.
    Raises ConfigError for a file that is wrong, and for one of which no site can be opened.
    """
    sites = read_yaml(path, FleetFile).sites
    stop = asked_to_stop()
    engines, served = _Engines(), dict[str, Served]()
    topologies: dict[str, Topology] = {}
    with ExitStack() as opened:
        shared = Shared()
        opened.callback(shared.close, linger_ms=LAST_WORDS_MS)
        needed = 0
        for name, site in sites.items():
            try:
                bundle = _bundle(path, name, site, node)
                needed += needed_descriptors(bundle.topology, node)
                have(needed, f"{len(served) + 1} sites' {node}")
                served[name] = _open(
                    path,
                    site,
                    bundle,
                    node,
                    insecure,
                    engines=engines,
                    shared=shared,
                    opened=opened,
                )
            except DdnnError as error:
                say(f"{name}: not served: {error}")
                continue
            topologies[name] = bundle.topology
            say(f"{name}: {node} listens at {bundle.topology.endpoint(node)}")
        if not served:
            raise ConfigError(f"{path}: sites: none can be served, want at least one")
        tenants = {n: Tenant(packed=s.packed, weight=sites[n].weight) for n, s in served.items()}
        shortest_s = min(map(patience_s, topologies.values()))
        gc.freeze()
        Fleet(tenants, patience_s=shortest_s, say=say).run(stop.is_set)


def _bundle(path: Path, name: str, site: Site, node: str) -> Bundle:
    """Raises DdnnError where it is not the site's, or cannot be used."""
    where, folder = f"{path}: sites.{name}.bundle", path.parent / site.bundle
    bundle = load_bundle(folder, [])
    topology = bundle.topology
    if topology.name != name:
        raise ConfigError(
            f"{where}: is of topology {topology.name!r}, want one with `name: {name}` (see `ddnn "
            "bundle place`): a site is known by it"
        )
    if node not in topology.nodes:
        raise ConfigError(f"{where}: no node named {node!r} (known: {', '.join(topology.nodes)})")
    if topology.nodes[node].role == DEVICE:
        raise ConfigError(f"{where}: {node} is a device, want a node that several sites can share")
    if topology.security.curve and site.keys is None:
        raise ConfigError(
            f"{path}: sites.{name}.keys: got none, and its topology has security.curve; want the "
            "folder that `ddnn keys` made"
        )
    check_files(bundle, files_of(topology, [node]))
    return bundle


def _open(
    path: Path,
    site: Site,
    bundle: Bundle,
    node: str,
    insecure: bool,
    *,
    engines: _Engines,
    shared: Shared,
    opened: ExitStack,
) -> Served:
    topology = bundle.topology
    check_ports(topology, [node])
    config = ChildConfig(
        bundle=str(bundle.folder),
        node=node,
        keys=None if site.keys is None else str(path.parent / site.keys),
        insecure=insecure,
    )
    return open_node(
        node,
        config,
        bundle,
        rules=dict(bundle.manifest.exits),
        shared=None if topology.security.curve else shared,
        opened=opened,
        load_engine=engines.load,
        together=_limit(bundle, node, site),
        at_once=AT_ONCE,
        turn_rows=TURN_ROWS,
    )


def _limit(bundle: Bundle, node: str, site: Site) -> Bucket | None:
    """In rows, of which each sender has some for every sample."""
    topology = bundle.topology
    if site.samples_per_s is None:
        return None
    codec = Codec(topology, bundle.session, bundle.tables)
    row = 1 + codec.max_bytes // MAX_ROWS // PAGE_BYTES  # see budget.cost_rows
    rows = row * ROWS * len(senders(topology, node))
    return Bucket(site.samples_per_s * rows, SLOTS * rows)
