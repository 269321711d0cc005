"""One node as a process. Called in the child: `python -m ddnn.run.child CONFIG`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import load_bundle
from ddnn.errors import ConfigError, DataError, DdnnError
from ddnn.nodes.build import build_node
from ddnn.nodes.loop import run_node
from ddnn.topology import DEVICE
from ddnn.wire.codec import Codec
from ddnn.wire.routes import peers
from ddnn.wire.transport import Mailbox
from ddnn.wire.zeromq import ZmqTransport

LAST_WORDS_MS = 500
"""How long a stopping node may take to hand over its account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildConfig:
    """All that a node process is told.

    views: .npy file of what a device's camera recorded. endpoints: those that differ from the
    topology's. epoch: how often the node was started before in this launch.
    tied: end when standard input closes, that is, when whoever started the node is gone.
    """

    bundle: str
    node: str
    views: str | None = None
    epoch: int = 0
    endpoints: dict[str, str] = field(default_factory=dict)
    tied: bool = True

    def to_argument(self) -> str:
        """The form in which the child takes it."""
        return json.dumps(asdict(self))


def serve(config: ChildConfig) -> None:
    """Runs the node until it is told to stop.

    Raises DdnnError when the bundle, the views or the address cannot be used.
    """
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    bundle = load_bundle(Path(config.bundle)).with_endpoints(config.endpoints)
    topology, name = bundle.topology, config.node
    if name not in topology.nodes:
        raise ConfigError(f"node: no node named {name!r} (known: {', '.join(topology.nodes)})")
    views = _read_views(config) if topology.nodes[name].role == DEVICE else None
    node = build_node(name, bundle, views)
    codec = Codec(topology, bundle.session)
    transport = ZmqTransport(
        name,
        endpoint=topology.endpoint(name),
        peers={peer: topology.endpoint(peer) for peer in peers(topology, name)},
        max_bytes=codec.max_bytes,
    )
    if config.tied:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        run_node(node, Mailbox(name, codec, transport, epoch=config.epoch), stop.is_set)
    finally:
        transport.close(linger_ms=LAST_WORDS_MS)


def _read_views(config: ChildConfig) -> NDArray[np.uint8]:
    if config.views is None:
        raise ConfigError(f"{config.node}: a device needs views, got none")
    try:
        views: NDArray[np.uint8] = np.load(config.views, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{config.views}: not an array of views, {error}") from error
    return views


def _end_with_parent() -> None:
    """Standard input closes when the launcher is gone, however it went."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    """Reads the config from the command line. An error is one line on standard error."""
    try:
        serve(ChildConfig(**json.loads(sys.argv[1])))
    except DdnnError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
