"""One host's part of a live system whose collector is on another: nodes with their own cameras."""

from __future__ import annotations

from ddnn.bundle.load import Bundle
from ddnn.live.serving import ACCOUNT_S, Live
from ddnn.live.starting import start_live_nodes
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.remote_host import serve_host
from ddnn.run.launcher.start import Options, Watcher


def serve_live_host(
    bundle: Bundle, live: Live | None, options: Options, watcher: Watcher
) -> dict[str, str]:
    """As remote_host.serve_host. live: what its devices see, None where it has none."""

    def start(processes: Processes, nodes: tuple[str, ...], workplace: Workplace) -> None:
        start_live_nodes(
            processes,
            bundle,
            nodes,
            workplace=workplace,
            options=options,
            account_s=ACCOUNT_S,
            recorded={} if live is None else live.recorded,
            sources=None if live is None else live.path,
        )

    return serve_host(bundle, None, options, watcher, start)
