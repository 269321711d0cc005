"""Answers ZeroMQ's question who may connect (ZAP, rfc.zeromq.org/spec/27)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import zmq
from zmq.utils import z85

AT_ONCE = 256
"""At most so many are answered before something else is done."""
_ZAP_ENDPOINT = "inproc://zeromq.zap.01"


class Doorman:
    """Asked in the node's own loop, so that no thread is needed.

    refused: how many did not get in, since somebody set it to 0.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], public: Mapping[str, str]) -> None:
        self._names = {z85.decode(key): name.encode() for name, key in public.items()}
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(_ZAP_ENDPOINT)
        self.refused = 0

    def answer(self) -> None:
        """Serves those who wait at the door. Who enters is named in each of its messages."""
        with suppress(zmq.Again):
            for _ in range(AT_ONCE):
                _, request, _, _, _, mechanism, *keys = self.socket.recv_multipart(zmq.NOBLOCK)
                name = self._names.get(keys[0]) if mechanism == b"CURVE" and keys else None
                status = (b"400", b"unknown key", b"") if name is None else (b"200", b"OK", name)
                self.refused += name is None
                self.socket.send_multipart([b"1.0", request, *status, b""])
