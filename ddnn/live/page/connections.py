"""Connections of the page: so many at once, and none that asks for nothing.

Whoever opens connections and says nothing, or half a request, must use up neither the descriptors
of the process that starts nodes nor the room of those who ask.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 200
"""Connections at once. With more, the one that has asked for nothing for longest is cut off."""
ASK_S = 10.0
"""How long a request may take to come."""


class BoundedProtocol(H11Protocol):
    """See the module."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connects."""
        super().connection_made(transport)
        self._asks = self.loop.call_later(ASK_S, self._cut_off_who_asks_nothing)
        self._since_s = self.loop.time()
        mine = [c for c in self.connections if isinstance(c, BoundedProtocol)]
        there = [c for c in mine if not c.transport.is_closing()]
        if len(there) > MOST:
            asking = [c for c in there if c.is_asking]
            min(asking, key=lambda c: c._since_s, default=self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._asks.cancel()
        super().connection_lost(exc)

    @property
    def is_asking(self) -> bool:
        """Its request is not there yet. One that waits between two requests is closed by uvicorn
        itself."""
        is_open = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        return is_open and self.timeout_keep_alive_task is None

    def _cut_off_who_asks_nothing(self) -> None:
        if self.is_asking:
            self.transport.abort()
            return
        self._asks = self.loop.call_later(ASK_S, self._cut_off_who_asks_nothing)
