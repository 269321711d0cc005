"""One host's part of a live system whose collector is on another: nodes with their own cameras.

Another bundle's nodes may be started beside them; those that the collector's host leaves end.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.errors import DdnnError, LaunchError
from ddnn.live.bundles import bundle_to_swap, check_alike, new_rules
from ddnn.live.serving import ACCOUNT_S, Live
from ddnn.live.starting import start_live_nodes
from ddnn.run.launcher.control import ControlServer
from ddnn.run.launcher.history import History
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.remote_host import POLL_S, Site, open_site
from ddnn.run.launcher.start import Options, Watcher


class LiveHost:
    """The nodes of one host. Use as a context manager: in it they run, and listen."""

    def __init__(
        self, bundle: Bundle, live: Live | None, options: Options, watcher: Watcher
    ) -> None:
        """live: what its devices see, None where it has none. options: with the host's name."""
        self._bundle, self._live, self._options = bundle, live, options
        self._history = History(watcher)
        self._sites: list[tuple[Site, ExitStack]] = []  # of bundles, the oldest first
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stops = False

    def __enter__(self) -> LiveHost:
        self._open(self._bundle, takes_over=False)
        self._control = ControlServer(self._act, self._history.say, self._about)
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        while self._sites:
            self._sites.pop()[1].close()

    def _about(self) -> dict[str, Any]:
        """Of the newest bundle's nodes."""
        return self._sites[-1][0].about() if self._sites else {}

    def wait(self) -> dict[str, Any]:
        """Turns them until the collector's host has told all to stop, or `stop`. Returns nothing:
        the report is there."""
        while self._sites and not self._stops:
            self._history.spare("orders by hand", self._control.poll)
            while not self._orders.empty():
                self._history.spare("orders", self._orders.get())
            for site, stack in list(self._sites):
                site.look()
                if site.is_over:
                    site.look()  # what its last nodes said
                    self._sites.remove((site, stack))
                    stack.close()
            time.sleep(POLL_S)
        return {}

    def stop(self) -> None:
        """Ends them. Also from a signal's handler."""
        self._stops = True

    def reload(self) -> None:
        """Takes the thresholds that the bundle has now. Also from a signal's handler."""
        self._orders.put(self._reload)

    def _reload(self) -> None:
        site = self._sites[-1][0]
        try:
            rules = new_rules(site.bundle)
        except DdnnError as error:
            self._history.say(f"thresholds stay as they are: {error}")
            return
        site.set_rules(rules)
        told = ", ".join(f"{name} {rule.threshold}" for name, rule in rules.items())
        self._history.say(f"thresholds from now on: {told}")

    def _act(self, asked: dict[str, Any]) -> None:
        """What `ddnn fault` and `ddnn serve --swap` ask here."""
        if "swap" in asked:
            self._swap(Path(asked["swap"]))
        else:
            self._sites[0][0].act(asked)

    def _swap(self, run: Path) -> None:
        """Starts another bundle's nodes, for the collector's host to go on with. Raises DdnnError
        where that cannot be; then nothing has changed."""
        if len(self._sites) > 1:
            waiting = self._sites[-1][0].bundle.folder
            raise LaunchError(f"{waiting} waits to be gone on with, want that first")
        bundle = bundle_to_swap(run, self._options.host)
        check_alike(self._sites[-1][0].bundle.topology, bundle.topology, self._options.host)
        self._history.say(f"{run}: its nodes start beside those that run")
        self._open(bundle, takes_over=True)

    def _open(self, bundle: Bundle, *, takes_over: bool) -> None:
        live = self._live

        def start(processes: Processes, nodes: tuple[str, ...], workplace: Workplace) -> None:
            start_live_nodes(
                processes,
                bundle,
                nodes,
                workplace=workplace,
                options=self._options,
                account_s=ACCOUNT_S,
                recorded={} if live is None else live.recorded,
                sources=None if live is None else live.path,
                takes_over=takes_over,
            )

        stack = ExitStack()
        site = stack.enter_context(open_site(bundle, self._options, self._history, start))
        self._sites.append((site, stack))
