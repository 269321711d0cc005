"""The latest views of one camera: put by whoever reads it, taken by the device's own loop.

Axes: C image channels, H, W.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.blocks import Shape
from ddnn.errors import DdnnError
from ddnn.live.sources.picture import Crop, gist, is_dark, to_view

LOST = "lost-camera"
"""Counted when a camera ends, hangs or cannot be reached."""
KEPT_BYTES = 64_000_000
"""Of the views of one camera that wait to be taken."""


class Arrival(NamedTuple):
    """A view and when it was seen, on the clock of Arrivals."""

    seen_s: float
    view_CHW: NDArray[np.uint8]


class Arrivals:
    """A ring of views; any thread may put or take.

    count: pictures that became views so far. said: what went wrong last, for a person; empty where
    the latest picture became a view. is_lost: the camera is gone, and nothing will come soon.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        crop: Crop | None = None,
        latency_s: float = 0.0,
        frozen_after: int = 10,
        kept_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
        wake: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """latency_s: how old a picture is when it is put. kept_s: views that are older than the
        latest by more than this are let go. wake: called after each put. say: told once what is
        wrong with pictures, until one is right again; and where views are let go before kept_s."""
        self.count = 0
        self._shape = shape
        self._crop = crop
        self._latency_s = latency_s
        self._frozen_after = frozen_after
        self._clock = clock
        self._wake = wake
        self._say = say
        self.said = ""
        self.is_lost = False
        self._lock = threading.Lock()
        self._kept_s = kept_s
        self._most = max(1, KEPT_BYTES // (shape.F * shape.H * shape.W))
        self._is_short = False
        self._ring: deque[Arrival] = deque()
        self._events: Counter[str] = Counter()
        self._gist, self._equal = 0, 0

    def put(self, picture: NDArray[np.uint8]) -> bool:
        """A picture (H,W,3), or (H,W) of grey, that has just come. Whether it became a view."""
        seen_s = self._clock() - self._latency_s
        try:
            view_CHW = to_view(picture, self._shape, self._crop)
        except DdnnError as error:
            self.failed("unreadable", str(error))
            return False
        pixels = gist(picture)
        with self._lock:
            self._look_at(pixels)
            self._ring.append(Arrival(seen_s, view_CHW))
            self.count += 1
            self._let_go(seen_s - self._kept_s)
        self.works()
        self._wake()
        return True

    def _let_go(self, before_s: float) -> None:
        """Views that are too old, and those for which there is no room."""
        while self._ring[0].seen_s < before_s:
            self._ring.popleft()
        while len(self._ring) > self._most:
            self._ring.popleft()
            if not self._is_short:
                self._is_short = True
                self._say(
                    f"{KEPT_BYTES // 10**6} MB hold {self._most} views, want {self._kept_s:g} s of "
                    "them (match_ms, delay_ms and a second): older ones are lost"
                )

    def _look_at(self, pixels: NDArray[np.uint8]) -> None:
        """Counts a black picture, and one that has been the same for too long."""
        self._events["black"] += is_dark(pixels)
        known = zlib.crc32(pixels.data)
        self._equal = self._equal + 1 if known == self._gist and self.count else 1
        self._gist = known
        self._events["frozen"] += self._equal >= self._frozen_after

    def failed(self, event: str, why: str) -> None:
        """No view, for this reason; event: a name in wire.codec.EVENTS."""
        with self._lock:
            self._events[event] += 1
        self.is_lost = event == LOST
        if why != self.said:
            self.said = why
            self._say(why)

    def works(self) -> None:
        """It is said once that it works again."""
        self.is_lost = False
        if self.said:
            self.said = ""
            self._say("views again")

    def nearest(self, instant_s: float, within_s: float) -> NDArray[np.uint8] | None:
        """The view seen nearest to this instant, None where none is near enough."""
        with self._lock:
            found = min(self._ring, key=lambda a: abs(a.seen_s - instant_s), default=None)
        if found is None or abs(found.seen_s - instant_s) > within_s:
            return None
        return found.view_CHW

    def take_latest(self, instant_s: float, within_s: float) -> NDArray[np.uint8] | None:
        """As `nearest`, of the last view alone; all that there are are used up."""
        with self._lock:
            found = self._ring[-1] if self._ring else None
            self._ring.clear()
        if found is None or abs(found.seen_s - instant_s) > within_s:
            return None
        return found.view_CHW

    def take_events(self) -> Counter[str]:
        """What was counted since the last call."""
        with self._lock:
            taken, self._events = self._events, Counter()
        return +taken
