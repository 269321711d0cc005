"""Runs one node in this process, and makes it fail as the launcher orders.

An order is a line on standard input, JSON, with a number, answered by `done NUMBER` on standard
output:

    {"order": NUMBER, "set": PEER, "fault": {...}}     a wire.faulty.LinkFault
    {"order": NUMBER, "clear": PEER, "kind": KIND}
    {"order": NUMBER, "slow": FACTOR}                  sections take FACTOR times as long; 1: no
                                                       longer
    {"order": NUMBER, "rules": {EXIT: {"threshold": T, "temperature": K}}}

A line `say WORDS` on standard output is for a person.
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
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError, DataError
from ddnn.nodes.base import Identity
from ddnn.nodes.build import build_node, patience_s, takeover_s
from ddnn.nodes.engine import Engine
from ddnn.nodes.loop import run_node, send_account
from ddnn.plainfile import check_plain
from ddnn.run.child.config import ChildConfig
from ddnn.run.sockets import LAST_WORDS_MS, open_sockets
from ddnn.topology import DEVICE, Topology
from ddnn.wire.budget import Budget
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import FaultyTransport, LinkFault, emulated_faults
from ddnn.wire.transport import Mailbox

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


def serve(config: ChildConfig) -> None:
    """Runs the node until it is told to stop.

    Raises DdnnError when the bundle, the views or the address cannot be used.
    """
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    name = config.node
    bundle = load_bundle(Path(config.bundle), [name]).with_endpoints(config.endpoints)
    topology = bundle.topology
    if name not in topology.nodes:
        raise ConfigError(f"node: no node named {name!r} (known: {', '.join(topology.nodes)})")
    camera = _camera(config, topology)
    is_recorded = topology.nodes[name].role == DEVICE and camera is None
    views = _read_views(config, is_device=is_recorded)
    pace = Pace()
    rules = bundle.manifest.exits | _rules(config.rules)
    identity = Identity(boot=secrets.randbits(64), data=config.data)
    node = build_node(
        name, bundle, views, identity=identity, load_engine=pace.load, camera=camera, rules=rules
    )
    codec = Codec(topology, bundle.session, bundle.tables)
    keys = None if config.keys is None else Path(config.keys)
    sockets = open_sockets(
        name,
        topology,
        codec,
        keys=keys,
        insecure=config.insecure,
        folder=None if config.sockets is None else Path(config.sockets),
    )
    transport = FaultyTransport(
        sockets, name, seed=config.seed, clock=time.monotonic, head_bytes=codec.head_bytes
    )
    for peer, fault in emulated_faults(name, topology):
        transport.set(peer, fault)
    if config.tied:
        threading.Thread(target=_take_orders, args=(transport, pace, rules), daemon=True).start()
    if camera is not None:
        sockets.wake_on(camera.wake.descriptor)
        camera.start()
    gc.freeze()  # what is there now stays: no collection need look at it again
    try:
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
        run_node(
            node,
            mailbox,
            stop.is_set,
            patience_s=patience_s(topology),
            account_s=config.account_s or math.inf,
        )
        transport.end_faults()
        send_account(node, mailbox)
    finally:
        sockets.close(linger_ms=LAST_WORDS_MS)


def _camera(config: ChildConfig, topology: Topology) -> Camera | None:
    """None for a device that sees recorded views, and for what is no device."""
    if config.sources is None:
        return None
    from ddnn.live.sources.camera import Camera  # noqa: PLC0415  # others need none of it

    return Camera(Path(config.sources), config.node, topology, _say, takes_over=config.takes_over)


def _say(line: str) -> None:
    """To the launcher, which tells it to a person."""
    os.write(1, f"say {line}\n".encode())


def _read_views(config: ChildConfig, *, is_device: bool) -> NDArray[Any] | None:
    if not is_device:
        if config.views is not None:
            raise ConfigError(f"{config.node}: is no device, want no views; got {config.views}")
        return None
    if config.views is None:
        raise ConfigError(f"{config.node}: a device needs views, got none")
    try:
        check_plain(Path(config.views))
        views = np.load(config.views, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{config.views}: not an array of views, {error}") from error
    if not isinstance(views, np.ndarray):
        raise DataError(f"{config.views}: not an array of views, want a .npy file")
    return views


def _rules(given: Mapping[str, Mapping[str, float | None]]) -> dict[str, ExitRule]:
    return {name: ExitRule.model_validate(dict(rule)) for name, rule in given.items()}


def _take_orders(transport: FaultyTransport, pace: Pace, rules: dict[str, ExitRule]) -> None:
    """Until standard input closes."""
    # unbuffered: a buffered standard input, locked by this thread, would abort Python's exit
    for line in os.fdopen(0, "rb", buffering=0, closefd=False):
        order = json.loads(line)
        if "set" in order:
            transport.set(order["set"], LinkFault(**order["fault"]))
        elif "clear" in order:
            transport.clear(order["clear"], order["kind"])
        elif "rules" in order:
            rules |= _rules(order["rules"])
        else:
            pace.factor = float(order["slow"])
        os.write(1, b"done %d\n" % order["order"])
