"""What programs on this machine may ask of a live system, by HTTP.

    GET  /verdicts        server-sent events: a verdict each (see ddnn.live.output), without an end
    POST /sample          takes a sample now            -> {"sample": NUMBER}
    POST /verdict         takes a sample now            -> its verdict, when it is there
    POST /truth           {"sample": NUMBER, "class": NAME or number}  -> {"right": true}
    POST /push/DEVICE     a view for a device of `kind: push`, see ddnn.live.sources.push

400: what is wrong, in one line.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, Protocol

from ddnn.errors import ConfigError, DataError
from ddnn.live.feed import Feed, Subscription
from ddnn.live.output import line_of
from ddnn.live.sources.localhttp import WAIT_S, LocalHandler, LocalServer

WAITING = 1000
"""Verdicts that wait for one slow reader."""
MAX_WORDS = 4096
"""Bytes of a request that hands no view over."""
VERDICT_S = 30.0
"""How long a request waits for its verdict: longer than any deadline."""
QUIET_S = 5.0
"""After so long without a verdict a reader is told that the system is there."""


class Asked(Protocol):
    """What a live system does for others; see ddnn.live.service.Service."""

    feed: Feed

    def sample(self) -> int: ...
    def tell(self, sample: int, named: str | int) -> bool: ...
    def push_address(self, device: str) -> str: ...


class Endpoint(LocalServer):
    """Serves the module's requests. Use as a context manager: until then the address is had, so
    that one in use is told before anything starts, and whoever connects is refused."""

    def __init__(self, listen: str, live: Asked) -> None:
        """listen: HOST:PORT of this machine. Raises TransportError."""
        handler = type("Handler", (_Handler,), {"live": live})
        super().__init__("--listen", listen, handler, is_open=False)


class _Handler(LocalHandler):
    live: Asked

    def max_bytes(self) -> int:
        """Only a view is large."""
        return super().max_bytes() if self.path.startswith("/push/") else MAX_WORDS

    def post(self, body: bytes) -> None:
        """See LocalHandler."""
        if self.path == "/sample":
            self.answer(200, {"sample": self.live.sample()})
        elif self.path == "/verdict":
            self._verdict()
        elif self.path == "/truth":
            self.answer(200, {"right": self.live.tell(*_truth(body))})
        elif self.path.startswith("/push/"):
            self.answer(*self._pushed(self.path.removeprefix("/push/"), body))
        else:
            self.answer(404, f"no {self.path[:60]} here")

    def _verdict(self) -> None:
        with self.live.feed.subscribe(WAITING) as reader:
            number, end_s = self.live.sample(), time.monotonic() + VERDICT_S
            is_over = False
            while not is_over and time.monotonic() < end_s:
                is_over = reader.is_over  # what came before is still told
                for event in reader.take(1.0):
                    if event["kind"] == "verdict" and event["sample"] == number:
                        self.answer(200, json.loads(line_of(event) or "{}"))
                        return
        why = "the system has ended" if is_over else f"no verdict within {VERDICT_S:.0f} s"
        self.answer(504, f"sample {number}: {why}")

    def _pushed(self, device: str, body: bytes) -> tuple[int, str]:
        """Handed on to the device, whose process has the view alone."""
        names = ("Content-Type", "X-Shape")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        address = self.live.push_address(device)
        connection = http.client.HTTPConnection(address, timeout=WAIT_S)
        try:
            connection.request("POST", f"/push/{device}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return 502, f"{device}: {error}"
        finally:
            connection.close()

    def get(self) -> None:
        """See LocalHandler."""
        if self.path != "/verdicts":
            self.answer(404, f"no {self.path[:60]} here")
            return
        with self.live.feed.subscribe(WAITING) as reader:
            self._stream(reader)

    def _stream(self, reader: Subscription) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(b": here\n\n")
        is_over = False
        while not is_over:
            is_over = reader.is_over  # what came before is still told
            lines = [line for event in reader.take(QUIET_S) if (line := line_of(event))]
            told = "".join(f"data: {line}\n\n" for line in lines) or ": here\n\n"
            self.wfile.write(told.encode())


def _truth(body: bytes) -> tuple[int, Any]:
    """Raises ConfigError for what is no truth."""
    try:
        said = json.loads(body)
        sample, named = said["sample"], said["class"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError('want {"sample": NUMBER, "class": NAME or number}') from error
    if not isinstance(sample, int) or isinstance(sample, bool):
        raise DataError(f"sample: got {sample!r}, want its number")
    return sample, named
