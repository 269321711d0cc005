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
KEPT = 32
"""Views that wait to be taken: three seconds of a camera of ten a second."""


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
        clock: Callable[[], float] = time.monotonic,
        wake: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """latency_s: how old a picture is when it is put. wake: called after each put. say: told
        once what is wrong with pictures, until one is right again."""
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
        self._ring: deque[Arrival] = deque(maxlen=KEPT)
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
        self.works()
        self._wake()
        return True

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
