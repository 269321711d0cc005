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
from ddnn.nodes.build import Equipment, LoadEngine, build_node, takeover_s
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What its process gives a node to run with.

    opened: closes its sockets. shared: what several nodes have in common, None: nothing.
    load_engine: in place of one that can be slowed down. together: what all its senders may send.
    at_once, turn_rows: messages of a turn, and samples whose features it takes, at most.
    """

    opened: ExitStack
    shared: Shared | None = None
    load_engine: LoadEngine | None = None
    together: Bucket | None = None
    at_once: int = DRAIN_MESSAGES
    turn_rows: int | None = None


def open_node(
    name: str, config: ChildConfig, bundle: Bundle, rules: dict[str, ExitRule], means: Means
) -> Served:
    """A node ready to be turned. rules: how its exits decide, asked for each batch."""
    topology = bundle.topology
    views, camera = _eyes(name, config, topology)
    pace = Pace()
    is_device = topology.nodes[name].role == DEVICE
    identity = Identity(boot=secrets.randbits(64), data=config.data if is_device else 0)
    node = build_node(
        name,
        bundle,
        views,
        Equipment(
            identity=identity,
            load_engine=means.load_engine or pace.load,
            camera=camera,
            rules=rules,
            turn_rows=means.turn_rows,
            shows_views=config.show_views,
            counts_scores=config.account_s is not None,
        ),
    )
    codec = Codec(topology, bundle.session, bundle.tables)
    sockets, transport = _open_transport(name, config, topology, codec, means)
    mailbox = Mailbox(
        name,
        codec,
        transport,
        boot=identity.boot,
        traffic=sockets.traffic,
        events=sockets.events,
        clock=time.monotonic,
        patience_s=takeover_s(topology),
        admits=Budget(len(topology.nodes) + 1, means.together).admits,
    )
    return Served(
        node=node, mailbox=mailbox, transport=transport, sockets=sockets, pace=pace, camera=camera
    )


def _open_transport(
    name: str, config: ChildConfig, topology: Topology, codec: Codec, means: Means
) -> tuple[ZmqTransport, FaultyTransport]:
    """The sockets, and what stands before them to make them fail."""
    sockets = open_sockets(
        name,
        topology,
        codec,
        keys=None if config.keys is None else Path(config.keys),
        insecure=config.insecure,
        folder=None if config.sockets is None else Path(config.sockets),
        shared=means.shared,
        at_once=means.at_once,
    )
    means.opened.callback(sockets.close, linger_ms=LAST_WORDS_MS)
    transport = FaultyTransport(
        sockets, name, seed=config.seed, clock=time.monotonic, head_bytes=codec.head_bytes
    )
    for peer, fault in emulated_faults(name, topology):
        transport.set(peer, fault)
    return sockets, transport


def _eyes(
    name: str, config: ChildConfig, topology: Topology
) -> tuple[NDArray[Any] | None, Camera | None]:
    """What a device sees: recorded views, or a camera; others see nothing.

    Raises ConfigError for a device without either, DataError for a file that holds no views.
    """
    views = config.views if name == config.node else config.others[name]
    is_device = topology.nodes[name].role == DEVICE
    if is_device and views is None and config.sources is not None:
        return None, _camera(name, config.sources, topology, takes_over=config.takes_over)
    return _read_views(name, views, is_device=is_device), None


def _camera(name: str, sources: str, topology: Topology, *, takes_over: bool) -> Camera:
    from ddnn.live.sources.camera import Camera  # noqa: PLC0415  # others need none of it

    return Camera(Path(sources), name, topology, _say, takes_over=takes_over)


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
