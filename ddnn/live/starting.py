"""Starts the processes of a live system's nodes: devices see through their sources.

Axes: N samples, C image channels, H, W.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.start import Options, prepared


def start_live_nodes(
    processes: Processes,
    bundle: Bundle,
    nodes: Sequence[str],
    *,
    workplace: Workplace,
    options: Options,
    account_s: float,
    recorded: Mapping[str, NDArray[Any]],
    sources: Path | None,
    beside: Callable[[], None] = lambda: None,
    takes_over: bool = False,
) -> None:
    """As launcher.start.start_nodes. recorded: what devices see that have no camera (N,C,H,W).
    sources: the file for the others, None: there are none. beside: called after each start.
    takes_over: see ChildConfig.
    """
    topology = bundle.topology
    same = prepared(bundle, nodes, workplace=workplace, options=options, account_s=account_s)
    for pack in dict.fromkeys(topology.pack(name) for name in nodes):
        has_camera = any(each in topology.devices and each not in recorded for each in pack)
        config = replace(
            same,
            node=pack[0],
            takes_over=takes_over,
            sources=str(sources.absolute()) if sources is not None and has_camera else None,
            **_views_of(pack, workplace, recorded),
        )
        processes.start(config, topology.nodes[pack[0]].limits)
        beside()


def _views_of(
    pack: Sequence[str], workplace: Workplace, recorded: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """What ChildConfig says of what the devices of one process see that have no camera."""
    views = {
        name: str(workplace.put(f"{name}.npy", _writer(recorded[name])))
        for name in pack
        if name in recorded
    }
    return {"views": views.get(pack[0]), "others": {name: views.get(name) for name in pack[1:]}}


def _writer(views_NCHW: NDArray[Any]) -> Callable[[Path], object]:
    return lambda path: np.save(path, views_NCHW)
