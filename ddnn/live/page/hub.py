"""Takes a feed's events in and hands what the page shows to any number of browsers.

Events are taken a few times a second, and put into JSON once for all browsers. Nothing waits for
one that is slow: it gets what holds when it reads again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from ddnn.live.events import Event
from ddnn.live.feed import Subscription
from ddnn.live.page.batch import Batch, batches
from ddnn.live.page.state import State

PERIOD_S = 0.4
"""Time between two looks at the feed."""
LAST_S = 0.5
"""How long browsers get to take what holds in the end."""
QUIET_S = 10.0
"""After so long without news a browser is told that the page is there."""
WAITING = 20_000
"""Events that wait at most for the next look; those beyond are lost, and counted."""


class Hub:
    """Of one run's page. Nobody but its event loop's thread looks at its state."""

    def __init__(
        self,
        state: State,
        events: Subscription,
        also: Callable[[Batch | Event], None] = lambda _event: None,
    ) -> None:
        """also: takes every event too."""
        self._state = state
        self._events = events
        self._also = also
        self._news = asyncio.Condition()
        self._is_ending = self._is_over = False
        self._streams = 0
        self.has_ended = threading.Event()
        self._text, self._text_version = b"", -1

    @property
    def is_running(self) -> bool:
        """Whether samples are being answered."""
        return self._state.is_running

    def end(self) -> None:
        """Streams end with what has come by then. From any thread."""
        self._is_ending = True

    async def pump(self) -> None:
        """Takes events in until the end."""
        while True:
            before, is_last = self._state.version, self._is_ending
            self.take()
            self._is_over = is_last
            if is_last or self._state.version != before:
                async with self._news:
                    self._news.notify_all()
            if is_last:
                break
            await asyncio.sleep(PERIOD_S)
        self._events.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                while self._streams:
                    await asyncio.sleep(LAST_S / 20)
        self.has_ended.set()

    def take(self) -> None:
        """What has come since the last time."""
        for found in batches(self._events.take(), self._state.until):
            self._state.take(found)
            self._also(found)

    async def stream(self, facts: dict[str, Any]) -> AsyncIterator[bytes]:
        """Server-sent events for one browser: `facts` and `history` first, then `state` and the
        new `points` of the series and `views` of devices that show them, whenever there is
        news."""
        self._streams += 1
        try:
            yield b"retry: 1000\n\n" + _event("facts", facts)
            async for part in self._parts():
                yield part
        finally:
            self._streams -= 1

    async def _parts(self) -> AsyncIterator[bytes]:
        generation, count, shown, is_over = -1, 0, -1, False
        while True:
            series, seen = self._state.series, self._state.version
            if generation != series.generation:
                yield _event("history", self._state.history())
            elif len(series.steps) - 1 > count:
                yield _event("points", {"from": count, "points": series.points(count)})
            generation, count = series.generation, len(series.steps) - 1
            if views := self._state.views(shown):
                yield _event("views", views)
            shown = seen
            yield self._state_text()
            if is_over:
                return
            if not await self._wait(seen):
                yield b": still here\n\n"
            is_over = self._is_over

    async def _wait(self, seen: int) -> bool:
        """Until there is news; whether there is."""
        try:
            async with asyncio.timeout(QUIET_S), self._news:
                await self._news.wait_for(lambda: self._is_over or self._state.version != seen)
        except TimeoutError:
            return False
        return True

    def _state_text(self) -> bytes:
        if self._text_version != self._state.version:
            self._text_version = self._state.version
            self._text = _event("state", self._state.snapshot())
        return self._text


def _event(name: str, document: Any) -> bytes:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return f"event: {name}\ndata: {text}\n\n".encode()
