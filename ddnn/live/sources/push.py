"""Takes views that the user's own program hands over, by HTTP on this machine.

    POST /push/DEVICE
    Content-Type: image/png, image/jpeg     a file's content
                  application/octet-stream  pixels row by row, a byte a channel
    X-Shape: HEIGHT,WIDTH,CHANNELS          of application/octet-stream; 1 channel or 3 (RGB)

204: taken. 400: what is wrong, in one line. 404: another device's.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ConfigError, DataError, TransportError
from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.folder import read_picture

MAX_BYTES = 200_000_000
"""Of one picture."""
WAIT_S = 10.0
"""How long a sender may take with its request."""
IMAGES = ("image/png", "image/jpeg")
RAW = "application/octet-stream"


class PushServer:
    """Listens at once, so that an address in use is told at the start."""

    def __init__(self, device: str, listen: str, arrivals: Arrivals) -> None:
        """listen: HOST:PORT. Raises TransportError for an address that cannot be had."""
        host, _, port = listen.rpartition(":")
        handler = type("Handler", (_Handler,), {"device": device, "arrivals": arrivals})
        try:
            self._server = _Server((host.strip("[]"), int(port)), handler)
        except OSError as error:
            raise TransportError(
                f"{device}: cannot listen at {listen} for views, {error.strerror}"
            ) from error

    def start(self) -> None:
        """See Reader."""
        threading.Thread(target=self._server.serve_forever, daemon=True, name="push").start()

    def close(self) -> None:
        """Gives the address back."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that is gone, or hangs, is nobody's trouble."""


class _Handler(BaseHTTPRequestHandler):
    device: str
    arrivals: Arrivals
    protocol_version = "HTTP/1.1"
    timeout = WAIT_S

    def do_POST(self) -> None:
        """See the module."""
        try:
            if self.path != f"/push/{self.device}":
                self._answer(404, f"no {self.path} here, want /push/{self.device}")
                return
            self._take()
        except (DataError, ConfigError) as error:
            self._answer(400, str(error))

    def _take(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            self.close_connection = True
            raise DataError(f"Content-Length: got {length!r}, want at most {MAX_BYTES}")
        content = self.rfile.read(int(length))
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if not self.arrivals.put(_picture(content, kind, self.headers.get("X-Shape", ""))):
            self._answer(400, self.arrivals.said)
            return
        self._answer(204, "")

    def _answer(self, code: int, line: str) -> None:
        body = f"{line}\n".encode() if line else b""
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is wrong is in the answer."""


def _picture(content: bytes, kind: str, shape: str) -> NDArray[np.uint8]:
    if kind in IMAGES:
        return read_picture(content, "the picture")
    if kind != RAW:
        raise DataError(f"Content-Type: got {kind!r}, want {', '.join(IMAGES)} or {RAW}")
    try:
        height, width, channels = (int(size) for size in shape.split(","))
    except ValueError as error:
        raise DataError(f"X-Shape: got {shape!r}, want HEIGHT,WIDTH,CHANNELS") from error
    if min(height, width, channels) < 1 or height * width * channels != len(content):
        raise DataError(f"{len(content)} bytes, X-Shape: {shape} wants another number")
    return np.frombuffer(content, np.uint8).reshape(height, width, channels)
