"""What a node was told to do to itself, and whether it has taken hold.

Orders are numbered lines on the node's standard input, confirmed by number on its standard
output (`ddnn.run.child.serve` draws the protocol). Neither end waits: a node that hangs confirms
nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol

from ddnn.run.failures.failure import Failure

NO_ORDER = "took no order"
MAX_WAITING_BYTES = 1 << 16
"""Of orders that the pipe to a node does not take, beyond the pipe's own 64 KiB."""


@dataclass(slots=True, eq=False)
class Order:
    """A failure that was asked for, or its end. reason: why it is not in force; empty: it is."""

    failure: Failure
    reason: str = NO_ORDER

    @property
    def is_applied(self) -> bool:
        """Whether it has taken hold."""
        return not self.reason

    def confirm(self) -> None:
        """It has taken hold."""
        self.reason = ""


class Piped(Protocol):
    """A process that was started with pipes."""

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...


class OrderPipe:
    """The launcher's end of one process's orders. Never waits and never fails."""

    def __init__(self, process: Piped, say: Callable[[str], None] = lambda _line: None) -> None:
        """process: started with pipes, unbuffered; they are closed by `close`. say: told what the
        node says to a person."""
        self._say = say
        assert process.stdin is not None
        assert process.stdout is not None
        self._to_node, self._from_node = process.stdin, process.stdout
        self._number = 0
        self._open: dict[int, Order | None] = {}
        self._unsent, self._unread = b"", b""
        for pipe in (self._to_node, self._from_node):
            os.set_blocking(pipe.fileno(), False)

    @property
    def has_answered(self) -> bool:
        """Whether everything that was told is confirmed, or nobody is there any more."""
        return not self._open

    def tell(self, what: dict[str, Any], order: Order | None = None) -> None:
        """Sends what the pipe takes now, the rest at later looks."""
        line = json.dumps({"order": self._number, **what}).encode() + b"\n"
        if self._to_node.closed or len(self._unsent) + len(line) > MAX_WAITING_BYTES:
            return  # nobody is there, or has taken none for a long time
        self._open[self._number] = order
        self._number += 1
        self._unsent += line
        self._send()

    def watch(self, watched: select.poll) -> None:
        """Adds the node's confirmations to what a poll waits for."""
        if not self._from_node.closed:
            watched.register(self._from_node, select.POLLIN)

    def look(self) -> None:
        """Sends what waits, takes confirmations."""
        if self._to_node.closed:
            return
        self._send()
        with contextlib.suppress(OSError):
            while part := self._from_node.read(1 << 16):
                self._unread += part
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"say":
                self._say(number.decode("utf-8", "replace"))
            known = word == b"done" and number.isdigit()
            order = self._open.pop(int(number), None) if known else None
            if order is not None:
                order.confirm()

    def close(self) -> None:
        """No orders any more: what is not confirmed will not be."""
        self._open.clear()
        for pipe in (self._to_node, self._from_node):
            with contextlib.suppress(OSError):
                pipe.close()

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while self._unsent and (count := self._to_node.write(self._unsent)):
                self._unsent = self._unsent[count:]
