"""What a launch needs before its first sample: options, views that fit, sockets, processes.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import errno
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.data.storage import save
from ddnn.errors import TransportError
from ddnn.live.feed import Feed
from ddnn.nodes.build import takeover_s
from ddnn.run.child.config import ChildConfig
from ddnn.run.descriptors import have_descriptors
from ddnn.run.failures.plan import FailurePlan
from ddnn.run.launcher.bundle_snapshot import put_bundle
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.seen import Seen
from ddnn.run.launcher.views import ViewsApart
from ddnn.run.sockets import LAST_WORDS_MS, load_keys, open_sockets, socket_path
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.budget import Budget
from ddnn.wire.codec import Codec
from ddnn.wire.ipc import endpoint_of, path_of
from ddnn.wire.transport import Mailbox

READY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What the launch tells while it runs: samples answered so far, lines for a person, and, where
    there is a feed, everything that happens. account_s: how often the feed is told what nodes have
    counted."""

    progress: Callable[[int], None] = lambda _answered: None
    say: Callable[[str], None] = lambda _line: None
    feed: Feed | None = None
    account_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to launch.

    plan: what fails when. rounds: how often the samples are run, one round after the other.
    window: samples in flight at most, default the topology's. free_ports: listen on ports the
    system chooses instead of the topology's. idle_s: time to do nothing before the first sample,
    to measure what an idle system uses. host: the one host this machine plays, None: all.
    ready_s: time all nodes get to start and to reach each other. keys: folder of key files.
    insecure: listen to other machines without CURVE. seconds: ask for no more samples after this
    time, None: until all were run. rate_hz: samples asked for in a second, one after the other;
    None: as fast as they are answered. ipc: over sockets in the launch's own folder instead of the
    topology's endpoints, where the kernel counts no bytes. data: digest of the samples of which
    those that are run are the first; None: they are all. show_views: devices started here tell the
    collector what they see, and a collector here takes it.
    """

    plan: FailurePlan | None = None
    rounds: int = 1
    window: int | None = None
    free_ports: bool = False
    idle_s: float = 0.0
    host: str | None = None
    ready_s: float = READY_S
    keys: Path | None = None
    insecure: bool = False
    seconds: float | None = None
    rate_hz: float | None = None
    ipc: bool = False
    data: int | None = None
    show_views: bool = False


def free_endpoints(topology: Topology, held: ExitStack | None = None) -> dict[str, str]:
    """Loopback addresses with ports that the system has just found free.

    held: until it is closed, the system gives these ports to nobody else who asks for a free one,
    while a node can listen there. Linux alone lets two sockets have a port of which one listens.
    """
    names = (COLLECTOR, *topology.nodes)
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
        ports = [sock.getsockname()[1] for sock in sockets]
        if held is not None and sys.platform == "linux":
            held.push(stack.pop_all())
    return {name: f"tcp://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}


def check_ports(topology: Topology, names: Iterable[str]) -> None:
    """Raises TransportError for an address that a node, or the collector, cannot have.

    Asked before any process starts; whoever takes a port right after makes its node fail later.
    """
    taken: dict[tuple[object, ...], str] = {}
    for name in names:
        address = urlsplit(topology.endpoint(name))
        family = socket.AF_INET6 if ":" in (address.hostname or "") else socket.AF_INET
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((address.hostname or "", address.port or 0))
            except socket.gaierror as error:
                raise TransportError(f"{name}: {address.netloc} is unknown here") from error
            except OSError as error:
                raise TransportError(f"{name}: {_lacking(error, address)}") from error
            bound = sock.getsockname()
        if (other := taken.setdefault(bound, name)) != name:
            its = urlsplit(topology.endpoint(other)).netloc
            raise TransportError(
                f"{name}: {address.netloc} is {bound[0]}:{bound[1]} here, and so is {other}'s "
                f"{its}; want another port"
            )


def _lacking(error: OSError, address: SplitResult) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {address.port} is in use on {address.hostname}, want it free (another launch or "
            "fleet?) or --free-ports"
        )
    return f"cannot listen at {address.netloc}, {error.strerror}; want an address of this machine"


def own_sockets(topology: Topology, folder: Path, options: Options) -> Path | None:
    """Where the sockets of a launch over ipc are; None: at the topology's endpoints.

    Raises TransportError where a socket's path would be too long.
    """
    if not options.ipc:
        return None
    for name in (COLLECTOR, *topology.nodes):
        path_of(endpoint_of(socket_path(folder, name)))
    return folder


@contextmanager
def collector_mailbox(
    bundle: Bundle,
    options: Options,
    folder: Path | None = None,
    wake: int | None = None,
    feed: Feed | None = None,
) -> Iterator[Mailbox]:
    """The launcher's own place among the nodes, in a run of its own. folder: see `own_sockets`.
    wake: a descriptor that ends its wait for messages, when something can be read there. feed: told
    what devices see, where they show it.

    Raises TransportError for an address that it cannot have.
    """
    if folder is None:
        check_ports(bundle.topology, [COLLECTOR])
    run = secrets.randbits(64) | 1  # never NO_RUN
    shows = options.show_views
    codec = Codec(bundle.topology, bundle.session, bundle.tables, takes_views=shows)
    transport = open_sockets(
        COLLECTOR,
        bundle.topology,
        codec,
        keys=options.keys,
        insecure=options.insecure,
        folder=folder,
    )
    try:
        if wake is not None:
            transport.wake_on(wake)
        make = partial(ViewsApart, show=(feed or Feed()).publish) if shows else Mailbox
        mailbox = make(
            COLLECTOR,
            codec,
            transport,
            boot=run,
            traffic=transport.traffic,
            events=transport.events,
            clock=time.monotonic,
            patience_s=takeover_s(bundle.topology),
            admits=Budget(len(bundle.topology.nodes) + 1).admits,
        )
        mailbox.join(run)
        yield mailbox
    finally:
        transport.close(linger_ms=LAST_WORDS_MS)


def start_nodes(
    processes: Processes,
    bundle: Bundle,
    nodes: Sequence[str],
    *,
    workplace: Workplace,
    samples: MultiView | None,
    options: Options,
    account_s: float | None = None,
    seen: Seen | None = None,
) -> None:
    """Starts the nodes' processes; workplace: where they find the bundle, and devices what their
    cameras recorded. account_s: see ChildConfig. seen: what devices see, in place of samples.

    Raises, before any starts, TransportError for an address that one cannot have, ConfigError for
    keys that it cannot use, BundleError for a bundle that has just changed.
    """
    topology = bundle.topology
    same = prepared(bundle, nodes, workplace=workplace, options=options, account_s=account_s)
    digest = 0 if samples is None else options.data or samples.digest
    views: dict[str, str | None] = dict.fromkeys(nodes)
    if seen is not None:
        digest = seen.digest
        views.update(seen.files)
    if samples is not None:
        views |= {
            n: put_views(workplace, n, topology, samples) for n in topology.devices if n in views
        }
    for pack in dict.fromkeys(topology.pack(name) for name in nodes):
        name, *others = pack
        config = replace(
            same,
            node=name,
            views=views[name],
            data=0 if set(pack).isdisjoint(topology.devices) else digest,
            others={other: views[other] for other in others},
        )
        processes.start(config, topology.nodes[name].limits)


def prepared(
    bundle: Bundle,
    nodes: Sequence[str],
    *,
    workplace: Workplace,
    options: Options,
    account_s: float | None,
) -> ChildConfig:
    """What the processes of these nodes are all told, none of which has its name.

    Raises as `start_nodes`, before any starts.
    """
    topology = bundle.topology
    have_descriptors(topology, nodes)
    folder = own_sockets(topology, workplace.path, options)
    if folder is None:
        check_ports(topology, nodes)
    for name in nodes:
        load_keys(topology, name, options.keys)
    return ChildConfig(
        bundle=str(put_bundle(workplace, bundle, nodes)),
        origin=str(bundle.folder),
        node="",
        endpoints={name: topology.endpoint(name) for name in (COLLECTOR, *topology.nodes)},
        seed=options.plan.seed if options.plan else 0,
        keys=str(options.keys) if options.keys else None,
        insecure=options.insecure,
        sockets=None if folder is None else str(folder),
        account_s=account_s,
        show_views=options.show_views,
    )


def put_views(workplace: Workplace, device: str, topology: Topology, samples: MultiView) -> str:
    """Writes what the device's camera recorded, as ChildConfig.views; returns the file.

    Raises LaunchError where the disk is full.
    """
    views_NCHW = samples.views.arrays[topology.view_number(device)]
    return str(workplace.put(f"{device}.npy", lambda path: save(path, views_NCHW)))


def save_views(folder: Path, device: str, topology: Topology, samples: MultiView) -> str:
    """As `put_views`, in a folder that nobody mends."""
    return put_views(Workplace(folder, None), device, topology, samples)
