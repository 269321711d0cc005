"""The sites of a fleet file, each opened and closed by itself: see ddnn.run.fleet."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self
from weakref import WeakValueDictionary

from pydantic import Field

from ddnn.blocks import Model
from ddnn.bundle.load import Bundle, check_files, load_bundle
from ddnn.bundle.manifest import files_of
from ddnn.errors import ConfigError, TransportError
from ddnn.nodes.build import patience_s
from ddnn.nodes.engine import Engine
from ddnn.nodes.fleet import Tenant
from ddnn.nodes.gather import SLOTS
from ddnn.run.child.config import ChildConfig
from ddnn.run.child.served import Means, Served, open_node
from ddnn.run.descriptors import have, needed_descriptors
from ddnn.run.launcher.start import check_ports
from ddnn.run.sockets import load_keys
from ddnn.topology import DEVICE, Name, Topology
from ddnn.wire.budget import PAGE_BYTES, Bucket
from ddnn.wire.codec import Codec
from ddnn.wire.keys import KeyRing
from ddnn.wire.messages import MAX_ROWS
from ddnn.wire.routes import senders
from ddnn.wire.zeromq import Shared

AT_ONCE = 16
TURN_ROWS = 8
"""Messages and samples of a site's turn at most: as long as that takes, the others wait."""
ROWS = 2
"""So many a sender and sample are within a site's limit: one that matters, and one for the rest."""

CLOSE_S, LOOK_S = 1.0, 0.002
"""How long an address may stay taken after its socket was closed, which ZeroMQ does when its thread
comes to it; and between two looks."""


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
    """Sections and exits, each loaded once whichever site wants it, and let go with the last."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[bytes, Engine] = WeakValueDictionary()

    def load(self, path: Path) -> Engine:
        digest = hashlib.sha256(path.read_bytes()).digest()
        engine = self._known.get(digest)
        if engine is None:
            engine = self._known[digest] = Engine(path)
        return engine


class _Known(NamedTuple):
    """What tells whether a site is as it was opened."""

    site: Site
    sha256: str
    keys: KeyRing | None


class Loaded(NamedTuple):
    """A site as file, bundle and keys are now; not open yet."""

    name: str
    site: Site
    bundle: Bundle
    keys: KeyRing | None

    @property
    def known(self) -> _Known:
        """For a comparison."""
        return _Known(self.site.model_copy(update={"weight": 1.0}), self.bundle.sha256, self.keys)


class _Opened(NamedTuple):
    known: _Known
    topology: Topology
    descriptors: int
    stack: ExitStack


class Sites:
    """Use as a context manager: what is open is closed with it. One thread at a time."""

    def __init__(
        self,
        path: Path,
        node: str,
        *,
        insecure: bool,
        shared: Shared,
        say: Callable[[str], None],
    ) -> None:
        self._path, self._node, self._insecure = path, node, insecure
        self._shared, self._say = shared, say
        self._opened: dict[str, _Opened] = {}
        self._engines = _Engines()

    @property
    def served(self) -> tuple[str, ...]:
        """Names of those that are open."""
        return tuple(self._opened)

    @property
    def digests(self) -> dict[str, str]:
        """Of the bundles of those that are open. Any thread may ask."""
        return {name: opened.known.sha256 for name, opened in list(self._opened.items())}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for opened in self._opened.values():
            opened.stack.close()

    def load(self, name: str, site: Site) -> Loaded:
        """Its bundle, checked, and its keys. Raises DdnnError where it cannot be used."""
        bundle = _bundle(self._path, name, site, self._node)
        return Loaded(name, site, bundle, load_keys(bundle.topology, self._node, self._keys(site)))

    def check_address(self, loaded: Loaded) -> None:
        """Raises TransportError where it is another's. One that is open has its own already."""
        endpoint = loaded.bundle.topology.endpoint(self._node)
        taken = {opened.topology.endpoint(self._node): n for n, opened in self._opened.items()}
        other = taken.get(endpoint)
        if other is None:
            check_ports(loaded.bundle.topology, [self._node])
        elif other != loaded.name:
            raise TransportError(
                f"{self._node} is at {endpoint}, as site {other}'s is; want a port of its own"
            )

    def begin(self, loaded: Loaded) -> Tenant:
        """Its node, which listens. Raises DdnnError where that cannot be."""
        name, topology = loaded.name, loaded.bundle.topology
        with ExitStack() as stack:
            self.check_address(loaded)
            descriptors = needed_descriptors(topology, self._node)
            others = sum(each.descriptors for each in self._opened.values())
            have(others + descriptors, f"{len(self._opened) + 1} sites' {self._node}")
            served = self._served(loaded.site, loaded.bundle, stack)
            self._opened[name] = _Opened(loaded.known, topology, descriptors, stack.pop_all())
        self._say(f"{name}: {self._node} listens at {topology.endpoint(self._node)}")
        weight, patience = loaded.site.weight, patience_s(topology)
        return Tenant(packed=served.packed, weight=weight, patience_s=patience)

    def is_as_opened(self, loaded: Loaded) -> bool:
        """Whether nothing but its weight has changed: its line, its bundle, its keys."""
        return loaded.known == self._opened[loaded.name].known

    def close(self, name: str) -> None:
        """Its sockets. Nobody may be turning it. Returns when its address can be had again."""
        opened = self._opened.pop(name)
        opened.stack.close()
        end_s = time.monotonic() + CLOSE_S
        while not _is_free(opened.topology, self._node) and time.monotonic() < end_s:
            time.sleep(LOOK_S)

    def _keys(self, site: Site) -> Path | None:
        return None if site.keys is None else self._path.parent / site.keys

    def _served(self, site: Site, bundle: Bundle, stack: ExitStack) -> Served:
        topology, keys = bundle.topology, self._keys(site)
        config = ChildConfig(
            bundle=str(bundle.folder),
            node=self._node,
            keys=None if keys is None else str(keys),
            insecure=self._insecure,
        )
        means = Means(
            opened=stack,
            shared=None if topology.security.curve else self._shared,
            load_engine=self._engines.load,
            together=_limit(bundle, self._node, site),
            at_once=AT_ONCE,
            turn_rows=TURN_ROWS,
        )
        return open_node(self._node, config, bundle, dict(bundle.manifest.exits), means)


def _is_free(topology: Topology, node: str) -> bool:
    try:
        check_ports(topology, [node])
    except TransportError:
        return False
    return True


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


def _limit(bundle: Bundle, node: str, site: Site) -> Bucket | None:
    """In rows, of which each sender has some for every sample."""
    topology = bundle.topology
    if site.samples_per_s is None:
        return None
    codec = Codec(topology, bundle.session, bundle.tables)
    row = 1 + codec.max_bytes // MAX_ROWS // PAGE_BYTES  # see budget.cost_rows
    rows = row * ROWS * len(senders(topology, node))
    return Bucket(site.samples_per_s * rows, SLOTS * rows)
