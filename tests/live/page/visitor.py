"""Somebody who asks a page, without a browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

from ddnn.live.page.server import Page

DEADLINE_S = 20


class At:
    """Where a page of another process is."""

    def __init__(self, address: str) -> None:
        self.port = int(address.rstrip("/").rpartition(":")[2])


class Visitor:
    """Of a page on loopback."""

    def __init__(self, page: Page | At) -> None:
        self.port = page.port
        self.host = f"127.0.0.1:{page.port}"

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """The answer, read. Underscores in headers' names stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            return self._answer(connection, path, method, body, headers)

    def _answer(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        method: str,
        body: str | None,
        headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": self.host} | named)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        return answer

    def post(self, body: Any, **headers: str) -> http.client.HTTPResponse:
        """A failure that the page's own buttons ask for."""
        own = {"Origin": f"http://{self.host}", "X-Ddnn-Token": self.facts()["token"]}
        return self.ask("/faults", "POST", json.dumps(body), **own | headers)

    def facts(self) -> dict[str, Any]:
        """The first event."""
        return next(found for name, found in self.events() if name == "facts")

    def events(self) -> Iterator[tuple[str, Any]]:
        """Server-sent events: name and content."""
        with self.open_stream() as stream, stream.makefile("rb") as lines:
            name = ""
            for line in lines:
                if line.startswith(b"event: "):
                    name = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    yield name, json.loads(line[6:])

    def state_with(self, key: str, value: object) -> dict[str, Any]:
        """The first state in which this is so."""
        return next(f for name, f in self.events() if name == "state" and f[key] == value)

    def open_stream(self) -> socket.socket:
        """A connection that has asked for events and reads nothing yet."""
        stream = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        stream.sendall(f"GET /events HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        return stream
