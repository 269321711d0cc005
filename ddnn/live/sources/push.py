"""Takes views that the user's own program hands over, by HTTP on this machine.

    POST /push/DEVICE
    Content-Type: image/png, image/jpeg     a file's content
                  application/octet-stream  pixels row by row, a byte a channel
    X-Shape: HEIGHT,WIDTH,CHANNELS          of application/octet-stream; 1 channel or 3 (RGB)

204: taken. 400: what is wrong, in one line. 404: another device's.
"""

from __future__ import annotations

import threading
import time
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import DataError, TransportError
from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.folder import Picture
from ddnn.live.sources.localhttp import LocalHandler, LocalServer

IMAGES = ("image/png", "image/jpeg")
RAW = "application/octet-stream"
PLACE = "the picture"
AGAIN_S = 0.01
"""Between two attempts at an address in use."""


class PushServer(LocalServer):
    """See Reader, and the module."""

    def __init__(self, device: str, listen: str, arrivals: Arrivals) -> None:
        """listen: HOST:PORT. Raises TransportError for an address that cannot be had."""
        handler = type("Handler", (_Handler,), {"device": device, "arrivals": arrivals})
        super().__init__(device, listen, handler)


class WaitingPush:
    """As PushServer, where another process still listens: as soon as it does no longer."""

    def __init__(self, device: str, listen: str, arrivals: Arrivals) -> None:
        self._make = partial(PushServer, device, listen, arrivals)

    def start(self) -> None:
        """See Reader."""
        threading.Thread(target=self._wait, daemon=True, name="push").start()

    def _wait(self) -> None:
        while True:
            try:
                server = self._make()
            except TransportError:
                time.sleep(AGAIN_S)
            else:
                server.serve_forever()


class _Handler(LocalHandler):
    device: str
    arrivals: Arrivals

    def post(self, body: bytes) -> None:
        """See LocalHandler."""
        if self.path != f"/push/{self.device}":
            self.answer(404, f"no {self.path[:60]} here, want /push/{self.device}")
            return
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        file = Picture(body, PLACE) if kind in IMAGES else None
        with self.server.holding(file.held_bytes if file else 0):
            shape = self.headers.get("X-Shape", "")
            is_taken = self.arrivals.put(file.read() if file else _pixels(body, kind, shape))
        if is_taken:
            self.answer(204)
        else:
            self.answer(400, self.arrivals.said)


def _pixels(content: bytes, kind: str, shape: str) -> NDArray[np.uint8]:
    if kind != RAW:
        raise DataError(f"Content-Type: got {kind[:60]!r}, want {', '.join(IMAGES)} or {RAW}")
    try:
        height, width, channels = (int(size) for size in shape.split(","))
    except ValueError as error:
        raise DataError(f"X-Shape: got {shape[:60]!r}, want HEIGHT,WIDTH,CHANNELS") from error
    if min(height, width, channels) < 1 or height * width * channels != len(content):
        raise DataError(f"{len(content)} bytes, X-Shape: {shape} wants another number")
    return np.frombuffer(content, np.uint8).reshape(height, width, channels)
