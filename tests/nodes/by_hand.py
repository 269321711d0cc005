"""Single nodes whose messages a test sends and reads itself."""

from __future__ import annotations

import numpy as np

from ddnn.bundle.load import Bundle
from ddnn.nodes.base import Node
from ddnn.nodes.build import build_node
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Heartbeat, Hello, Message, Roll


def sent(node: Node, now_s: float) -> list[tuple[str, Message]]:
    """What the node sends now, heartbeats left out."""
    return [tuple(o) for o in node.tick(now_s) if not isinstance(o.message, Heartbeat | Hello)]


def joined(name: str, bundle: Bundle, views: np.ndarray | None = None) -> Node:
    """A node that takes part in a run."""
    node = build_node(name, bundle, views)
    node.handle(COLLECTOR, Roll(1), 0.0)
    return node
