"""The page beside a run: a thread of its own with an event loop of its own. Nothing of the run ever
waits for it.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ddnn.errors import ConfigError
from ddnn.live.feed import Feed
from ddnn.live.page.options import PageOptions, listening_socket
from ddnn.report.reference import Reference
from ddnn.topology import Topology

CLOSE_S = 5.0
"""How long an end waits for the page; browsers that read nothing are cut off before."""
STREAM_S = 1
"""How long uvicorn waits for streams that are open when it ends."""


class Page:
    """Use as a context manager, around the run. url: where it is."""

    def __init__(
        self,
        options: PageOptions,
        topology: Topology,
        feed: Feed,
        *,
        act: Callable[[dict[str, object]], int | None],
        total: int | None = None,
        folder: Path | None = None,
        expected: Mapping[str, float] | None = None,
        reference: Reference | None = None,
    ) -> None:
        """act: see launcher.control. total, expected, reference: see State. folder: see Metrics.

        Raises ConfigError for an address that cannot be had, or where ddnn[page] is not installed.
        """
        _check_installed()
        from ddnn.live.page.app import make_app  # noqa: PLC0415  # of the extra, as what follows
        from ddnn.live.page.hub import WAITING, Hub  # noqa: PLC0415
        from ddnn.live.page.metrics import Metrics  # noqa: PLC0415
        from ddnn.live.page.state import State  # noqa: PLC0415

        self._socket = listening_socket(options)
        self.port = int(self._socket.getsockname()[1])
        self.url = options.url(self.port)
        state = State(
            topology,
            run=secrets.token_hex(8),
            total=total,
            expected=expected,
            reference=reference,
            may_fail=options.allow_faults,
            shows_views=options.show_views,
        )
        metrics = Metrics(topology, folder=folder, reference=reference)
        self._hub = Hub(state, feed.subscribe(WAITING), metrics.take)
        app = make_app(
            self._hub,
            state.facts,
            options=options,
            port=lambda: self.port,
            act=act,
            metrics=metrics.text,
        )
        self._server = _server(app, options)
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def abandon(self) -> None:
        """Gives the address back of a page that never was opened."""
        self._socket.close()

    def __enter__(self) -> Page:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._hub.end()
        self._hub.has_ended.wait(CLOSE_S if self._thread.is_alive() else 0)
        self._server.should_exit = True
        self._thread.join(CLOSE_S)
        self._socket.close()


def _check_installed() -> None:
    """Raises ConfigError where ddnn[page] is not there."""
    try:
        import prometheus_client  # noqa: F401, PLC0415
        import starlette  # noqa: F401, PLC0415
        import uvicorn  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigError(
            f"--page: {error.name} is not installed, want the extra `page`: pip install '.[page]' "
            "in a checkout of ddnn"
        ) from error


def _server(app: Any, options: PageOptions) -> Any:
    """Uvicorn's, which says nothing of itself."""
    import uvicorn  # noqa: PLC0415

    from ddnn.live.page.connections import BoundedProtocol  # noqa: PLC0415

    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=STREAM_S,
            ssl_certfile=options.cert,
            ssl_keyfile=options.key,
        )
    )
