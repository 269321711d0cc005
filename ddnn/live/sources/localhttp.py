"""HTTP for programs on this machine: one thread a request, no browser let in.

A page of another site may not make a browser ask here: whatever says an Origin is refused, and a
Host must be a name of this machine itself.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ddnn.errors import DataError, DdnnError, TransportError

WAIT_S = 10.0
"""How long a sender may take with its request, or a reader with what it gets."""
MAX_BYTES = 200_000_000
"""Of a request's body: one picture."""
MAX_THREADS = 64
"""Requests at once; more are sent away."""
NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class LocalServer(ThreadingHTTPServer):
    """Listens at once, so that an address in use is told at the start; `start` begins to answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, what: str, listen: str, handler: type[LocalHandler]) -> None:
        """what: who listens, for a message. listen: HOST:PORT, port 0: any that is free.

        Raises TransportError for an address that cannot be had.
        """
        host, _, port = listen.rpartition(":")
        self._left = threading.Semaphore(MAX_THREADS)
        try:
            super().__init__((host.strip("[]"), int(port)), handler)
        except OSError as error:
            raise TransportError(f"{what}: cannot listen at {listen}, {error.strerror}") from error

    @property
    def port(self) -> int:
        """At which it listens."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Answers from now on."""
        threading.Thread(target=self.serve_forever, daemon=True, name="http").start()

    def close(self) -> None:
        """Gives the address back."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, if there is one left."""
        if not self._left.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._left.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who is gone, or hangs, is nobody's trouble."""


class LocalHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests. Sub-classes have `post` and, perhaps, `get`."""

    protocol_version = "HTTP/1.1"
    timeout = WAIT_S

    def post(self, body: bytes) -> None:
        """Answers. What it raises of DdnnError is told as 400."""
        raise NotImplementedError

    def get(self) -> None:
        """Answers."""
        self.answer(405, "want POST")

    def do_POST(self) -> None:
        """See BaseHTTPRequestHandler."""
        try:
            body = self._body()
            if not self._is_refused():
                self.post(body)
        except DdnnError as error:
            self.answer(400, str(error))

    def do_GET(self) -> None:
        """See BaseHTTPRequestHandler."""
        if not self._is_refused():
            self.get()

    def _is_refused(self) -> bool:
        host = self.headers.get("Host", "").lower()
        if host.rpartition(":")[0] not in NAMES and host not in NAMES:
            self.answer(421, f"Host {host[:60]!r}: not this machine's own name")
        elif "Origin" in self.headers:
            self.answer(403, "not for browsers")
        else:
            return False
        return True

    def _body(self) -> bytes:
        is_counted = "Transfer-Encoding" not in self.headers
        length = self.headers.get("Content-Length", "0" if is_counted else "")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            self.close_connection = True
            raise DataError(f"Content-Length: got {length[:20]!r}, want at most {MAX_BYTES}")
        return self.rfile.read(int(length))

    def answer(self, code: int, what: str | dict[str, Any] = "") -> None:
        """A line, or JSON. A code of 400 and more ends the connection."""
        is_line = isinstance(what, str)
        body = f"{what if is_line else json.dumps(what)}\n".encode() if what else b""
        self.send_response(code)
        kind = "text/plain; charset=utf-8" if is_line else "application/json"
        self.send_header("Content-Type", kind)
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        if code >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is wrong is in the answer."""
