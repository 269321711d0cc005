"""Connections of the page: so many at once, and none that asks for nothing.

Whoever opens connections and says nothing, or half a request, must not use up the descriptors of
the process that starts nodes.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 200
"""Connections at once; more are cut off."""
ASK_S = 10.0
"""How long a request may take to come."""


class BoundedProtocol(H11Protocol):
    """See the module."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connects."""
        super().connection_made(transport)
        self._asks = self.loop.call_later(ASK_S, self._cut_off_who_asks_nothing)
        if len(self.connections) > MOST:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._asks.cancel()
        super().connection_lost(exc)

    def _cut_off_who_asks_nothing(self) -> None:
        """One that waits between two requests is closed by uvicorn itself."""
        is_asking = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if is_asking and self.timeout_keep_alive_task is None:
            self.transport.abort()
            return
        self._asks = self.loop.call_later(ASK_S, self._cut_off_who_asks_nothing)
