"""Runs one node in this process, or those of a pack, and makes them fail as the launcher orders.

An order is a line on standard input, JSON, with a number, answered by `done NUMBER` on standard
output:

    {"order": NUMBER, "set": PEER, "fault": {...}}     a wire.faulty.LinkFault
    {"order": NUMBER, "clear": PEER, "kind": KIND}
    {"order": NUMBER, "slow": FACTOR}                  sections take FACTOR times as long; 1: no
                                                       longer
    {"order": NUMBER, "rules": {EXIT: {"threshold": T, "temperature": K}}}

Of a pack it says "node": NAME too. A line `say WORDS` on standard output is for a person.
"""

from __future__ import annotations

import gc
import json
import math
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError, DataError
from ddnn.nodes.base import Identity, Node
from ddnn.nodes.build import build_node, patience_s, takeover_s
from ddnn.nodes.engine import Engine
from ddnn.nodes.loop import run_node, send_account
from ddnn.nodes.pack import Pack, Packed
from ddnn.plainfile import check_plain
from ddnn.run.child.config import ChildConfig
from ddnn.run.sockets import LAST_WORDS_MS, open_sockets
from ddnn.topology import DEVICE, Topology
from ddnn.wire.budget import Budget
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import FaultyTransport, emulated_faults
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import Shared, ZmqTransport

if TYPE_CHECKING:
    from ddnn.live.sources.camera import Camera


class Pace:
    """Loads engines that can be slowed down."""

    def __init__(self) -> None:
        self.factor = 1.0

    def load(self, path: Path) -> Engine:
        """The engine of an ONNX file, as slow as `factor` says when it runs."""
        return _PacedEngine(path, self)


class _PacedEngine(Engine):
    def __init__(self, path: Path, pace: Pace) -> None:
        super().__init__(path)
        self._pace = pace

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        if self._pace.factor == 1.0:
            return super().run(inputs)
        begun_s = time.perf_counter()
        outputs = super().run(inputs)
        time.sleep((time.perf_counter() - begun_s) * (self._pace.factor - 1))
        return outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """One node of this process."""

    node: Node
    mailbox: Mailbox
    transport: FaultyTransport
    sockets: ZmqTransport
    pace: Pace
    camera: Camera | None

    def begin(self) -> None:
        """What it sees through starts."""
        if self.camera is not None:
            self.sockets.wake_on(self.camera.wake.descriptor)
            self.camera.start()

    def finish(self) -> None:
        """Its account, to the collector."""
        self.transport.end_faults()
        send_account(self.node, self.mailbox)


def serve(config: ChildConfig) -> None:
    """Runs the node, or the nodes of a pack, until told to stop.

    Raises DdnnError when the bundle, the views or the address cannot be used.
    """
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    names = [config.node, *config.others]
    bundle = load_bundle(Path(config.bundle), names).with_endpoints(config.endpoints)
    topology = bundle.topology
    for name in names:
        if name not in topology.nodes:
            raise ConfigError(f"node: no node named {name!r} (known: {', '.join(topology.nodes)})")
    rules = bundle.manifest.exits | _rules(config.rules)
    with ExitStack() as opened:
        shared = None
        if config.others and not topology.security.curve:
            shared = Shared()
            opened.callback(shared.close, linger_ms=LAST_WORDS_MS)
        served = {
            name: _open(name, config, bundle, rules=rules, shared=shared, opened=opened)
            for name in names
        }
        if config.tied:
            told = (config.node, served, rules)
            threading.Thread(target=_take_orders, args=told, daemon=True).start()
        for each in served.values():
            each.begin()
        gc.freeze()  # what is there now stays: no collection need look at it again
        _run(list(served.values()), stop.is_set, patience_s(topology), config.account_s or math.inf)


def _open(
    name: str,
    config: ChildConfig,
    bundle: Bundle,
    *,
    rules: dict[str, ExitRule],
    shared: Shared | None,
    opened: ExitStack,
) -> _Served:
    """A node ready to be turned; opened: closes its sockets."""
    topology = bundle.topology
    is_device = topology.nodes[name].role == DEVICE
    views = config.views if name == config.node else config.others[name]
    camera = _camera(name, config, topology) if is_device and views is None else None
    pace = Pace()
    identity = Identity(boot=secrets.randbits(64), data=config.data if is_device else 0)
    node = build_node(
        name,
        bundle,
        _read_views(name, views, is_device=is_device and camera is None),
        identity=identity,
        load_engine=pace.load,
        camera=camera,
        rules=rules,
    )
    codec = Codec(topology, bundle.session, bundle.tables)
    sockets = open_sockets(
        name,
        topology,
        codec,
        keys=None if config.keys is None else Path(config.keys),
        insecure=config.insecure,
        folder=None if config.sockets is None else Path(config.sockets),
        shared=shared,
    )
    opened.callback(sockets.close, linger_ms=LAST_WORDS_MS)
    transport = FaultyTransport(
        sockets, name, seed=config.seed, clock=time.monotonic, head_bytes=codec.head_bytes
    )
    for peer, fault in emulated_faults(name, topology):
        transport.set(peer, fault)
    mailbox = Mailbox(
        name,
        codec,
        transport,
        boot=identity.boot,
        traffic=sockets.traffic,
        events=sockets.events,
        clock=time.monotonic,
        patience_s=takeover_s(topology),
        admits=Budget(len(topology.nodes) + 1).admits,
    )
    return _Served(
        node=node, mailbox=mailbox, transport=transport, sockets=sockets, pace=pace, camera=camera
    )


def _run(
    served: Sequence[_Served],
    should_stop: Callable[[], bool],
    patience_s: float,
    account_s: float,
) -> None:
    """Until told to stop; hands the accounts over."""
    if len(served) == 1:
        (one,) = served
        run_node(one.node, one.mailbox, should_stop, patience_s=patience_s, account_s=account_s)
        one.finish()
        return
    members = [
        Packed(
            node=each.node,
            mailbox=each.mailbox,
            descriptors=each.sockets.descriptors,
            held_s=each.transport.due_s,
            finish=each.finish,
        )
        for each in served
    ]
    Pack(members, patience_s=patience_s, account_s=account_s).run(should_stop)


def _camera(name: str, config: ChildConfig, topology: Topology) -> Camera | None:
    """What a device without recorded views sees through; None where nobody says so."""
    if config.sources is None:
        return None
    from ddnn.live.sources.camera import Camera  # noqa: PLC0415  # others need none of it

    return Camera(Path(config.sources), name, topology, _say, takes_over=config.takes_over)


def _say(line: str) -> None:
    """To the launcher, which tells it to a person."""
    os.write(1, f"say {line}\n".encode())


def _read_views(name: str, path: str | None, *, is_device: bool) -> NDArray[Any] | None:
    if not is_device:
        if path is not None:
            raise ConfigError(f"{name}: is no device, want no views; got {path}")
        return None
    if path is None:
        raise ConfigError(f"{name}: a device needs views, got none")
    try:
        check_plain(Path(path))
        views = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not an array of views, {error}") from error
    if not isinstance(views, np.ndarray):
        raise DataError(f"{path}: not an array of views, want a .npy file")
    return views


def _rules(given: Mapping[str, Mapping[str, float | None]]) -> dict[str, ExitRule]:
    return {name: ExitRule.model_validate(dict(rule)) for name, rule in given.items()}


def _take_orders(first: str, served: Mapping[str, _Served], rules: dict[str, ExitRule]) -> None:
    """Until standard input closes."""
    # unbuffered: a buffered standard input, locked by this thread, would abort Python's exit
    for line in os.fdopen(0, "rb", buffering=0, closefd=False):
        order = json.loads(line)
        node = served[order.get("node", first)]
        if "rules" in order:
            rules |= _rules(order["rules"])
        elif not node.transport.obey(order):
            node.pace.factor = float(order["slow"])
        os.write(1, b"done %d\n" % order["order"])
