"""Who may ask the page for what: looks at each request before anything answers it.

Host must be the page's own (a name that was pointed at this machine meanwhile is refused), whatever
changes something must come from the page itself and carry its token, and answers tell browsers to
run nothing but the page's own files.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ddnn.live.page.options import PageOptions

COOKIE = "ddnn_page"
TOKEN_HEADER = "x-ddnn-token"
OPEN = frozenset({"/healthz", "/readyz", "/login", "/style.css", "/icon.svg"})
"""What needs no token."""
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application around the page's. port: at which it listens."""

    def __init__(self, app: ASGIApp, options: PageOptions, port: Callable[[], int]) -> None:
        self._app = app
        self._options = options
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refused = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (refused or self._app)(scope, receive, send_safely)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        """What to answer instead; None: let it pass."""
        host = headers.get("host", "")
        if host not in self._options.hosts(self._port()):
            return _refused(421, "not this page's host")
        if not self._is_known(headers) and path not in OPEN:
            if method == "GET" and path == "/":
                return RedirectResponse("/login", 303)
            return _refused(401, "want the page's token")
        if method not in CHANGES:
            return None
        if headers.get("origin") != f"{self._options.scheme}://{host}":
            return _refused(403, "comes from another page")
        if path != "/login" and not _equal(headers.get(TOKEN_HEADER, ""), self._options.act_token):
            return _refused(403, "want the page's own token, load it again")
        return None

    def _is_known(self, headers: Headers) -> bool:
        """Whether who asks has shown the token, where one is wanted."""
        token = self._options.token
        if token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(given.strip(), token):
            return True
        return _equal(_cookie(headers.get("cookie", "")), session_of(token))


def session_of(token: str) -> str:
    """What a browser keeps instead of the token; it holds when the page is started again."""
    return hmac.new(token.encode(), b"ddnn page session", hashlib.sha256).hexdigest()


def is_token(given: str, options: PageOptions) -> bool:
    """Whether it is the page's."""
    return options.token is not None and _equal(given, options.token)


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status)
