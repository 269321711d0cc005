"""What a device sees, told to the collector for a person: only where it was started to do so.

Axes: N samples, C image channels, H, W.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.base import Outgoing
from ddnn.nodes.section import SectionInput, Source
from ddnn.topology import COLLECTOR
from ddnn.wire.bodies import CHANNELS
from ddnn.wire.messages import MAX_SIDE, Message, View, ViewState

SHOW_S = 1.0
"""Time between two views that are shown, at least."""
DARK = 4
"""Grey levels: a picture whose mean is below is black, a camera's noise aside."""
NO_PICTURE = np.zeros((0, 0, 0), np.uint8)


class ShownSource:
    """A device's source, and the part of its node that shows what is taken from it.

    See nodes.section.Source and nodes.base.Part: the section takes batches, and the last view of
    them is sent once they are on their way.
    """

    def __init__(self, source: Source, events: Counter[str]) -> None:
        """events: what the device counts of its camera."""
        self._source = source
        self._events = events
        self._latest: SectionInput | None = None
        self._next_s = -math.inf
        self._frozen = events["frozen"]
        self._lacks_view = False

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Source."""
        self._source.handle(sender, message, now_s)

    def take(self, now_s: float) -> list[SectionInput]:
        """See Source."""
        missing = self._events["no-view"]
        batches = self._source.take(now_s)
        if batches:
            self._latest = batches[-1]
            self._lacks_view = self._events["no-view"] > missing and not self._latest.views_N[-1]
        return batches

    def due_s(self) -> float | None:
        """See Source."""
        return self._source.due_s()

    def show(self, now_s: float) -> list[Outgoing]:
        """The latest view, unless one was shown just now."""
        if self._latest is None or now_s < self._next_s:
            return []
        latest, self._latest, self._next_s = self._latest, None, now_s + SHOW_S
        view = View(latest.samples_N[-1], *self._look(latest.inputs["views"][-1]))
        return [Outgoing(COLLECTOR, view)]

    def show_due_s(self) -> float | None:
        """When there is one to show."""
        return None if self._latest is None else self._next_s

    def _look(self, view: NDArray[Any]) -> tuple[ViewState, NDArray[np.uint8]]:
        """How it is, and what is shown of it."""
        was_frozen, self._frozen = self._frozen, self._events["frozen"]
        if self._lacks_view:
            return ViewState.NO_VIEW, NO_PICTURE
        picture = small(view)
        if not view.any() or (picture.size and picture.mean() < DARK):
            return ViewState.BLACK, picture
        return ViewState.FROZEN if self._frozen > was_frozen else ViewState.SEEN, picture


class ShowPart:
    """Sends what a source shows, after the section has run. See nodes.base.Part."""

    def __init__(self, source: ShownSource) -> None:
        self._source = source

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Nothing concerns it."""

    def tick(self, now_s: float) -> list[Outgoing]:
        """See Part."""
        return self._source.show(now_s)

    def due_s(self) -> float | None:
        """See Part."""
        return self._source.show_due_s()


def small(view: NDArray[Any]) -> NDArray[np.uint8]:
    """Of a picture (C,H,W) of bytes every so many rows and columns, MAX_SIDE of each at most;
    nothing of a view that is none."""
    if view.dtype != np.uint8 or view.ndim != 3 or view.shape[0] not in CHANNELS:
        return NO_PICTURE
    step = -(-max(view.shape[1:]) // MAX_SIDE)
    return np.ascontiguousarray(view[:, ::step, ::step])
