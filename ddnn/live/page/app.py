"""What the page answers to which request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from ddnn.errors import ConfigError, DdnnError
from ddnn.live.page.guard import COOKIE, Guard, is_token, session_of
from ddnn.live.page.hub import Hub
from ddnn.live.page.options import PageOptions
from ddnn.run.failures.failure import STRENGTHS

STATIC = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
    "/topology.js": ("topology.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
    "/views.js": ("views.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/alerts.yml": ("../monitoring/alerts.yml", "text/plain"),
    "/board.json": ("../monitoring/board.json", "application/json"),
    "/uplot.js": ("uPlot.iife.min.js", "text/javascript"),
    "/uplot.css": ("uPlot.min.css", "text/css"),
}
MAX_BODY = 4096
KEYS = frozenset({"node", "link", "kind", *STRENGTHS})
"""Of a failure; nothing else may be asked for from a page, another bundle least of all."""

Act = Callable[[dict[str, Any]], int | None]
"""Makes a failure happen and returns the sample from which it holds; see launcher.control."""


def make_app(
    hub: Hub,
    facts: Callable[[], dict[str, Any]],
    *,
    options: PageOptions,
    port: Callable[[], int],
    act: Act,
    metrics: Callable[[], tuple[bytes, str]],
) -> Guard:
    """metrics: text and its type."""
    routes = _Routes(hub, facts, options=options, act=act, metrics=metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        pump = asyncio.create_task(hub.pump())
        yield
        pump.cancel()

    app = Starlette(
        routes=[
            *(Route(path, _static(*found)) for path, found in STATIC.items()),
            Route("/events", routes.events),
            Route("/login", routes.login, methods=["GET", "POST"]),
            Route("/faults", routes.fault, methods=["POST"]),
            Route("/metrics", routes.metrics),
            Route("/healthz", routes.healthy),
            Route("/readyz", routes.ready),
        ],
        lifespan=lifespan,
    )
    return Guard(app, options, port)


class _Routes:
    def __init__(
        self,
        hub: Hub,
        facts: Callable[[], dict[str, Any]],
        *,
        options: PageOptions,
        act: Act,
        metrics: Callable[[], tuple[bytes, str]],
    ) -> None:
        self._facts = facts
        self._options = options
        self._act = act
        self._metrics = metrics
        self._hub = hub

    async def events(self, _request: Request) -> Response:
        """Server-sent events, see Hub.stream."""
        facts = self._facts() | {"token": self._options.act_token}
        return StreamingResponse(self._hub.stream(facts), media_type="text/event-stream")

    async def fault(self, request: Request) -> Response:
        """A failure by hand, as `ddnn fault` asks for it: {"node" or "link", "kind", ...}."""
        if not self._options.allow_faults:
            return JSONResponse({"error": "want --allow-faults"}, 403)
        body = await _body(request)
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict) or not KEYS.issuperset(asked):
            return JSONResponse({"error": "not a request"}, 400)
        try:
            sample = await asyncio.to_thread(self._act, asked)
        except ConfigError as error:
            return JSONResponse({"error": str(error)}, 400)
        except (DdnnError, OSError) as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({"sample": sample})

    async def login(self, request: Request) -> Response:
        """Takes the token once, and leaves a cookie."""
        if request.method == "GET":
            return Response(_file("login.html"), media_type="text/html")
        given = (await _body(request)).decode("utf-8", "replace").removeprefix("token=")
        if not is_token(given.strip(), self._options):
            return Response(_file("login.html"), 401, media_type="text/html")
        response = RedirectResponse("/", 303)
        response.set_cookie(
            COOKIE,
            session_of(self._options.token or ""),
            httponly=True,
            samesite="strict",
            secure=self._options.scheme == "https",
        )
        return response

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus."""
        text, kind = self._metrics()
        return Response(text, headers={"content-type": kind})

    async def healthy(self, _request: Request) -> Response:
        """The page is there."""
        return PlainTextResponse("ok\n")

    async def ready(self, _request: Request) -> Response:
        """Samples are being answered."""
        if self._hub.is_running:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", 503)


async def _body(request: Request) -> bytes:
    """At most MAX_BODY of it: more is no request of the page's."""
    found = b""
    async for part in request.stream():
        found += part
        if len(found) > MAX_BODY:
            return b""
    return found


def _static(name: str, kind: str) -> Callable[[Request], Any]:
    async def answer(_request: Request) -> Response:
        return Response(_file(name), media_type=kind)

    return answer


@cache
def _file(name: str) -> bytes:
    return (files("ddnn.live.page") / "static" / name).read_bytes()
