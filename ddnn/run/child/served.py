"""One node of a process, opened: its sections, sockets, mailbox and, for a device, its views."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError, DataError
from ddnn.nodes.base import Identity, Node
from ddnn.nodes.build import LoadEngine, build_node, takeover_s
from ddnn.nodes.engine import Engine
from ddnn.nodes.loop import send_account
from ddnn.nodes.ready import Packed
from ddnn.plainfile import check_plain
from ddnn.run.child.config import ChildConfig
from ddnn.run.sockets import LAST_WORDS_MS, open_sockets
from ddnn.topology import DEVICE, Topology
from ddnn.wire.budget import Bucket, Budget
from ddnn.wire.codec import Codec
from ddnn.wire.faulty import FaultyTransport, emulated_faults
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import DRAIN_MESSAGES, Shared, ZmqTransport

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
class Served:
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

    @property
    def packed(self) -> Packed:
        """For whoever turns several nodes in one thread."""
        return Packed(
            node=self.node,
            mailbox=self.mailbox,
            descriptors=self.sockets.descriptors,
            held_s=self.transport.due_s,
            has_more=lambda: not self.sockets.is_drained,
            finish=self.finish,
        )


def open_node(
    name: str,
    config: ChildConfig,
    bundle: Bundle,
    *,
    rules: dict[str, ExitRule],
    shared: Shared | None,
    opened: ExitStack,
    load_engine: LoadEngine | None = None,
    together: Bucket | None = None,
    at_once: int = DRAIN_MESSAGES,
    turn_rows: int | None = None,
) -> Served:
    """A node ready to be turned; opened: closes its sockets.

    load_engine: in place of one that can be slowed down. together: what all its senders may send.
    at_once, turn_rows: messages of a turn, and samples whose features it takes, at most.
    """
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
        load_engine=load_engine or pace.load,
        camera=camera,
        rules=rules,
        turn_rows=turn_rows,
        shows_views=config.show_views,
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
        at_once=at_once,
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
        admits=Budget(len(topology.nodes) + 1, together).admits,
    )
    return Served(
        node=node, mailbox=mailbox, transport=transport, sockets=sockets, pace=pace, camera=camera
    )


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
