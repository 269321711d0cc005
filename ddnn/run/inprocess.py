"""Runs a whole topology in one process: same nodes, same bytes, a clock that jumps.

The reference that launched runs are compared with, and the double of a launch in tests.
Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.errors import LaunchError
from ddnn.nodes.base import Node
from ddnn.nodes.build import build_node, patience_s
from ddnn.nodes.collector import Collector
from ddnn.nodes.loop import send_account, send_all, step
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.transport import Mailbox


def run_inprocess(
    bundle: Bundle,
    views_NVCHW: NDArray[np.uint8],
    *,
    window: int | None = None,
    kills: Mapping[str, int] | None = None,
) -> Collector:
    """Every sample through every node. Returns the collector with verdicts and accounts.

    kills: by node, the sample before which it dies.
    """
    return _InProcess(bundle, views_NVCHW, window, dict(kills or {})).run()


class _InProcess:
    def __init__(
        self,
        bundle: Bundle,
        views_NVCHW: NDArray[np.uint8],
        window: int | None,
        kills: dict[str, int],
    ) -> None:
        topology = bundle.topology
        codec = Codec(topology, bundle.session)
        self._network = MemoryNetwork()
        self._kills = kills
        self._now_s = 0.0
        self._nodes: dict[str, tuple[Node, Mailbox]] = {}
        for name in topology.nodes:
            view = topology.nodes[name].view
            views = None if view is None else views_NVCHW[:, topology.devices.index(name)]
            node = build_node(name, bundle, views)
            self._nodes[name] = node, Mailbox(name, codec, self._network.join(name))
        self._mailbox = Mailbox(COLLECTOR, codec, self._network.join(COLLECTOR))
        self._collector = Collector(
            topology,
            samples=len(views_NVCHW),
            prior_class=bundle.manifest.prior_class,
            patience_s=patience_s(topology),
            window=window,
            halts=tuple(kills.values()),
        )

    def run(self) -> Collector:
        collector = self._collector
        while not collector.is_done:
            self._kill_due()
            send_all(self._mailbox, collector.tick(self._now_s))
            if not self._turn_nodes() and self._network.is_quiet:
                self._jump()
            for sender, message in self._mailbox.receive(0):
                collector.handle(sender, message, self._now_s)
        for node, mailbox in self._nodes.values():
            send_account(node, mailbox)
        for sender, message in self._mailbox.receive(0):
            collector.handle(sender, message, self._now_s)
        collector.accounts[COLLECTOR] = self._mailbox.ledger.account()
        return collector

    def _turn_nodes(self) -> bool:
        """One turn of every node, like processes side by side. Whether anything happened."""
        moved = [step(n, box, box.receive(0), self._now_s) for n, box in self._nodes.values()]
        return any(moved)

    def _kill_due(self) -> None:
        halted_at = self._collector.halted_at
        if halted_at is None:
            return
        for name in [name for name, sample in self._kills.items() if sample == halted_at]:
            self._network.cut(name)
            del self._nodes[name], self._kills[name]
        self._collector.release()

    def _jump(self) -> None:
        """Nothing can happen before the next deadline or heartbeat: go there."""
        times = [node.due_s() for node, _ in self._nodes.values()]
        due_s = self._collector.due_s(self._now_s)
        times += [] if due_s is None else [due_s]
        if not times:
            raise LaunchError("no node is left and nobody waits for anything")
        self._now_s = max(self._now_s, min(times))
