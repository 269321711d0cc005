"""HTTP for programs on this machine: one thread a request, no browser let in.

A page of another site may not make a browser ask here: whatever says an Origin is refused, and a
Host must be a name of this machine itself.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ddnn.errors import DataError, DdnnError, TransportError

WAIT_S = 10.0
"""How long a sender may take with its request, or a reader with what it gets."""
MOST_DIGITS = 12
"""Of a Content-Length: Python itself takes no number of thousands."""
MAX_BYTES = 200_000_000
"""Of a request's body: one picture."""
HELD_BYTES = 2 * MAX_BYTES
"""Of all bodies at once: what a crowd of senders can make this process hold."""
MAX_THREADS = 64
"""Requests at once. With more, the one that has not said all for longest is cut off; where all have
said what they want, the newest is sent away."""
ROOM_S = 0.5
"""How long to wait for the thread of one that was cut off."""
OWN = ("localhost", "127.0.0.1", "[::1]")
"""What Host may say, beside the name at which a server listens, each with or without a port."""


class LocalServer(ThreadingHTTPServer):
    """Listens at once, so that an address in use is told at the start; `start` begins to answer. As
    a context manager it is started and closed."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, what: str, listen: str, handler: type[LocalHandler], *, is_open: bool = True
    ) -> None:
        """what: who listens, for a message. listen: HOST:PORT, port 0: any that is free. is_open:
        connections wait from now on; else they are refused until it is entered.

        Raises TransportError for an address that cannot be had.
        """
        host, _, port = listen.rpartition(":")
        self.own = re.compile(f"({'|'.join(map(re.escape, (*OWN, host.lower())))})(:\\d{{1,5}})?")
        if host.startswith("["):
            self.address_family = socket.AF_INET6
        self._left = threading.Semaphore(MAX_THREADS)
        self._lock = threading.Lock()
        self._held_bytes = 0
        self._asking: dict[socket.socket, float] = {}  # until when each may say what it wants
        try:
            super().__init__((host.strip("[]"), int(port)), handler, bind_and_activate=False)
            self.server_bind()
            if is_open:
                self.server_activate()
        except OSError as error:
            self.server_close()
            raise TransportError(f"{what}: cannot listen at {listen}, {error.strerror}") from error

    def __enter__(self) -> Self:
        self.server_activate()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        if not self._left.acquire(blocking=False) and not self._make_room():
            self.shutdown_request(request)
            return
        self.asks(request)
        super().process_request(request, client_address)

    def _make_room(self) -> bool:
        """Who says nothing, or half a request, must not keep others out."""
        with self._lock:
            oldest = next(iter(self._asking), None)
            if oldest is None:
                return False
            del self._asking[oldest]
        _cut(oldest)
        return self._left.acquire(timeout=ROOM_S)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.has_asked(request)
            self._left.release()

    def service_actions(self) -> None:
        """Cuts off who has not said in time what it wants: whoever drips bytes holds no thread."""
        now_s = time.monotonic()
        with self._lock:
            late = [sock for sock, until_s in self._asking.items() if now_s > until_s]
            for sock in late:
                del self._asking[sock]
        for sock in late:
            _cut(sock)

    def asks(self, request: socket.socket) -> None:
        """Somebody begins to say what it wants."""
        with self._lock:
            self._asking.pop(request, None)  # who began last stands last
            self._asking[request] = time.monotonic() + WAIT_S

    def has_asked(self, request: socket.socket) -> None:
        """It has said all, or has gone."""
        with self._lock:
            self._asking.pop(request, None)

    @contextlib.contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """While a body of so many bytes is here. Raises DataError where there is no room for it."""
        with self._lock:
            if self._held_bytes + size > HELD_BYTES:
                raise DataError("too much is being sent at once, try again")
            self._held_bytes += size
        try:
            yield
        finally:
            with self._lock:
                self._held_bytes -= size

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who is gone, or hangs, is nobody's trouble."""


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class LocalHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests. Sub-classes have `post` and, perhaps, `get`."""

    protocol_version = "HTTP/1.1"
    timeout = WAIT_S
    server: LocalServer

    def max_bytes(self) -> int:
        """Of the body of the request that came."""
        return MAX_BYTES

    def handle_one_request(self) -> None:
        """See BaseHTTPRequestHandler."""
        self.server.asks(self.connection)
        try:
            super().handle_one_request()
        finally:
            self.server.has_asked(self.connection)

    def post(self, body: bytes) -> None:
        """Answers. What it raises of DdnnError is told as 400."""
        raise NotImplementedError

    def get(self) -> None:
        """Answers."""
        self.answer(405, "want POST")

    def do_POST(self) -> None:
        """See BaseHTTPRequestHandler."""
        try:
            size = self._size()
            with self.server.holding(size):
                body = self.rfile.read(size)
                self.server.has_asked(self.connection)
                if not self._is_refused():
                    self.post(body)
        except DdnnError as error:
            self.answer(400, str(error))

    def do_GET(self) -> None:
        """See BaseHTTPRequestHandler."""
        self.server.has_asked(self.connection)
        if not self._is_refused():
            self.get()

    def _is_refused(self) -> bool:
        host = ", ".join(self.headers.get_all("Host", [])).lower()
        if not self.server.own.fullmatch(host):
            self.answer(421, f"Host {host[:60]!r}: not this machine's own name")
        elif "Origin" in self.headers:
            self.answer(403, "not for browsers")
        else:
            return False
        return True

    def _size(self) -> int:
        """Of the body. Raises DataError for too large a one, and where it is not said."""
        is_counted, most = "Transfer-Encoding" not in self.headers, self.max_bytes()
        said = self.headers.get_all("Content-Length", ["0"] if is_counted else [""])
        length = ", ".join(said)
        if not length.isdecimal() or len(length) > MOST_DIGITS or int(length) > most:
            raise DataError(f"Content-Length: got {length[:20]!r}, want at most {most}")
        return int(length)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request, in a line, as all else that is wrong."""
        self.answer(code, message or HTTPStatus(code).phrase)

    def answer(
        self,
        code: int,
        what: str | dict[str, Any] = "",
        *,
        kind: str = "text/plain; charset=utf-8",
    ) -> None:
        """A line, or several, of the kind; or JSON. A code of 400 and more ends the connection."""
        is_line = isinstance(what, str)
        body = f"{what if is_line else json.dumps(what)}\n".encode() if what else b""
        self.send_response(code)
        self.send_header("Content-Type", kind if is_line else "application/json")
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        if code >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is wrong is in the answer."""
