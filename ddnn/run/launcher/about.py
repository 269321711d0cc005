"""What a running launch says of itself to whoever asks on its machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ddnn import __version__
from ddnn.bundle.load import Bundle


def about(
    bundle: Bundle, host: str | None, states: Mapping[str, str], said: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """As JSON. host: the one that this machine plays, None: all. states: by node. said: when and
    what, the newest last.

    A node of another host runs the same bundle, or it would have been refused; which ddnn it runs
    is not known here.
    """
    topology = bundle.topology
    nodes = {}
    for name, state in states.items():
        is_here = host in (None, topology.host(name))
        nodes[name] = {
            "host": topology.host(name),
            "state": state,
            "ddnn": __version__ if is_here else None,
            "bundle_sha256": bundle.sha256,
        }
    return {
        "pid": os.getpid(),
        "topology": topology.name,
        "host": host,
        "ddnn": __version__,
        "bundle_sha256": bundle.sha256,
        "nodes": nodes,
        "said": list(said),
    }
