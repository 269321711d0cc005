"""A device's part in live samples: the view of each sample's instant, or none; and samples asked
for since a view has come.

Axes: N samples, C image channels, H, W.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ddnn.blocks import Shape
from ddnn.live.sources.arrivals import Arrivals
from ddnn.nodes.base import Outgoing
from ddnn.nodes.section import SectionInput
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import MAX_ROWS, Capture, Message, Trigger


class MatchedSource:
    """See nodes.section.Source. A sample's instant is delay_s before it was asked for here."""

    def __init__(
        self,
        arrivals: Arrivals,
        shape: Shape,
        events: Counter[str],
        *,
        view: int,
        within_s: float,
        delay_s: float = 0.0,
        skip_absent: bool = False,
        once: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """within_s: how far from the instant a view may be. skip_absent: a black view has no part
        in anything. once: a view is for one sample alone, and none is waited for.
        clock: that of the arrivals."""
        self._arrivals = arrivals
        self._nothing_CHW = np.zeros(shape, np.uint8)
        self._events = events
        self._own = 1 << view
        self._within_s, self._delay_s = within_s, delay_s
        self._skip_absent = skip_absent
        self._find = arrivals.take_latest if once else arrivals.nearest
        self._once = once
        self._clock = clock
        self._waiting: list[tuple[int, float]] = []  # samples and their instants
        self._due_s: float | None = None

    def handle(self, _sender: str, message: Message, _now_s: float) -> None:
        """See Source."""
        if isinstance(message, Capture):
            instant_s = self._clock() - self._delay_s
            self._waiting += [(sample, instant_s) for sample in message.samples_N]

    def take(self, now_s: float) -> list[SectionInput]:
        """See Source. A sample waits for a view as long as one may come."""
        self._events.update(self._arrivals.take_events())
        if not self._waiting:
            self._due_s = None
            return []
        clock_s = self._clock()
        ready: list[tuple[int, NDArray[np.uint8] | None]] = []
        waiting = []
        for sample, instant_s in self._waiting:
            view_CHW = self._find(instant_s, self._within_s)
            in_time = clock_s < instant_s + self._within_s
            may_come = in_time and not (self._once or self._arrivals.is_lost)
            if view_CHW is None and may_come:
                waiting.append((sample, instant_s))
            else:
                ready.append((sample, view_CHW))
        self._waiting = waiting
        first_s = min((instant_s for _, instant_s in waiting), default=None)
        self._due_s = None if first_s is None else now_s + first_s + self._within_s - clock_s
        return [self._batch(ready[i : i + MAX_ROWS]) for i in range(0, len(ready), MAX_ROWS)]

    def _batch(self, found: list[tuple[int, NDArray[np.uint8] | None]]) -> SectionInput:
        views_N, pictures = [], []
        for _, view_CHW in found:
            self._events["no-view"] += view_CHW is None
            takes_part = view_CHW is not None and (not self._skip_absent or bool(view_CHW.any()))
            views_N.append(self._own if takes_part else 0)
            pictures.append(self._nothing_CHW if view_CHW is None else view_CHW)
        return SectionInput([sample for sample, _ in found], views_N, {"views": np.stack(pictures)})

    def due_s(self) -> float | None:
        """See Source."""
        return self._due_s


class TriggerPart:
    """Asks for a sample whenever new views have come. See nodes.base.Part."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._seen = arrivals.count

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Nothing concerns it."""

    def tick(self, _now_s: float) -> list[Outgoing]:
        """See Part."""
        if self._arrivals.count == self._seen:
            return []
        self._seen = self._arrivals.count
        return [Outgoing(COLLECTOR, Trigger())]

    def due_s(self) -> float | None:
        """The camera's thread wakes the node."""
        return None
