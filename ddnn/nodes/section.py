"""The part of a node that runs a section: views or children's features in, scores and features out.

Axes: N samples, M children, V views, C image channels, H, W.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import score_counts
from ddnn.nodes.base import Outgoing
from ddnn.nodes.engine import Engine
from ddnn.nodes.gather import ClosedWindows, Gather
from ddnn.nodes.kept_features import KeptFeatures
from ddnn.nodes.liveness import Liveness
from ddnn.wire.messages import (
    MAX_ROWS,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Message,
    Scores,
)

COUNT_EVERY = 8
"""Of so many batches, the scores of one are counted: enough to see that they change."""


class SectionInput(NamedTuple):
    """A batch ready for the section's engine."""

    samples_N: Sequence[int]
    views_N: Sequence[int]
    inputs: dict[str, NDArray[Any]]


class Source(Protocol):
    """Where a section's input comes from."""

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes a message in."""

    def take(self, now_s: float) -> list[SectionInput]:
        """The batches that are ready."""

    def due_s(self) -> float | None:
        """When a batch gets ready though no message comes."""


class ViewSource:
    """A device's own camera: sample s is row s modulo the number of recorded views.

    skip_absent: a black view has no part in anything.
    """

    def __init__(self, views_NCHW: NDArray[Any], *, view: int, skip_absent: bool = False) -> None:
        self._views_NCHW = np.asarray(views_NCHW)  # a slice of a memmap is made in Python
        self._skip_absent = skip_absent
        self._own = 1 << view
        self._captured: list[int] = []

    def handle(self, _sender: str, message: Message, _now_s: float) -> None:
        """See Source."""
        if isinstance(message, Capture):
            self._captured += message.samples_N

    def take(self, _now_s: float) -> list[SectionInput]:
        """See Source."""
        if not self._captured:
            return []
        samples, self._captured = self._captured, []
        return [self._batch(samples[i : i + MAX_ROWS]) for i in range(0, len(samples), MAX_ROWS)]

    def _batch(self, samples_N: list[int]) -> SectionInput:
        recorded = len(self._views_NCHW)
        if len(samples_N) == 1:
            row = samples_N[0] % recorded
            views_NCHW = self._views_NCHW[row : row + 1]
        else:
            views_NCHW = self._views_NCHW[[sample % recorded for sample in samples_N]]
        views_N = [self._own] * len(samples_N)
        if self._skip_absent:
            views_N = [self._own if view_CHW.any() else 0 for view_CHW in views_NCHW]
        return SectionInput(samples_N, views_N, {"views": views_NCHW})

    def due_s(self) -> float | None:
        """See Source."""
        return None


class FeatureSource:
    """The features of the node's children, gathered."""

    def __init__(self, gather: Gather, *, turn_rows: int | None = None) -> None:
        """turn_rows: at one instant, a batch of so many at most; the rest is ready at the next.
        None: all that is complete."""
        self._gather = gather
        self._turn_rows = turn_rows
        self._waiting: deque[ClosedWindows] = deque()
        self._taken_s = -math.inf
        self._now_s = 0.0

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Source."""
        self._now_s = now_s
        if isinstance(message, Features):
            self._gather.put(
                sender, message.samples_N, message.views_N, message.features_NFHW, now_s
            )
        elif isinstance(message, Expect):
            self._gather.expect(message.samples_N, message.views_N)
        elif isinstance(message, Heartbeat):
            self._gather.liveness.hear_beat(sender, message, now_s)

    def take(self, now_s: float) -> list[SectionInput]:
        """See Source."""
        self._now_s = now_s
        found = []
        for batch in self._next(now_s):
            inputs: dict[str, NDArray[Any]] = {
                f"features_{place}": values for place, values in enumerate(batch.values)
            }
            inputs["present"] = batch.present_NM
            found.append(SectionInput(batch.samples_N, batch.views_N, inputs))
        return found

    def _next(self, now_s: float) -> Sequence[ClosedWindows]:
        """The windows that a turn runs."""
        if self._turn_rows is None:
            return self._gather.close(now_s)
        self._waiting += self._gather.close(now_s, self._turn_rows)
        if not self._waiting or now_s <= self._taken_s:
            return ()
        self._taken_s = now_s
        return (self._waiting.popleft(),)

    def due_s(self) -> float | None:
        """See Source."""
        return self._now_s if self._waiting else self._gather.due_s(self._now_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where a section's outputs go.

    exit_at: who takes the scores, None: the tier has no exit, features go up unasked.
    parent: who takes the features, None at the top. fallback: who takes them while the parent
    is silent for patience_s.
    """

    exit_at: str | None
    parent: str | None
    fallback: str | None = None
    patience_s: float = 0.0


class SectionPart:
    """Runs a section on what its source gathers. Keeps features until asked for them."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        to: Destinations,
        events: Counter[str],
        *,
        behind: int = 1,
        counts_scores: bool = False,
    ) -> None:
        """behind: bit v for each view v behind the section. counts_scores: what scores look like
        is counted among the events, of one batch in COUNT_EVERY."""
        self._source = source
        self._engine = engine
        self._to = to
        self._events = events
        self._kept = KeptFeatures(behind)
        self._asked: list[int] = []
        self._parent = Liveness((to.parent,) if to.fallback and to.parent else (), to.patience_s)
        self._unsure: deque[tuple[float, list[int]]] = deque()
        self._now_s = 0.0
        self._counts_scores = counts_scores
        self._batches = 0

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Part."""
        self._parent.hear(sender, now_s)
        if isinstance(message, Ask):
            self._asked += message.samples_N
        else:
            self._source.handle(sender, message, now_s)

    def tick(self, now_s: float) -> list[Outgoing]:
        """See Part."""
        self._now_s = now_s
        outgoing: list[Outgoing] = []
        for batch in self._source.take(now_s):
            outgoing += self._run(batch)
        asked, self._asked = self._asked, []
        if self._to.fallback is not None:
            asked += self._lost(now_s)
        if asked:
            outgoing += self._answer(asked, now_s)
        return outgoing

    def due_s(self) -> float | None:
        """See Part."""
        due_s = self._source.due_s()
        if not self._unsure:
            return due_s
        lost_s = self._parent.next_change_s(self._now_s)
        times = [time_s for time_s in (due_s, lost_s) if time_s is not None]
        return min(times) if times else None

    def _run(self, batch: SectionInput) -> list[Outgoing]:
        outputs = self._engine.run(batch.inputs)
        outgoing = []
        if self._to.parent is not None:
            features = Features(batch.samples_N, batch.views_N, outputs["features"])
            if self._to.exit_at is None:
                return [Outgoing(self._to.parent, features)]
            self._kept.put(features)
        if self._to.exit_at is not None:
            scores = Scores(batch.samples_N, batch.views_N, outputs["scores"])
            outgoing.append(Outgoing(self._to.exit_at, scores))
            if self._counts_scores:
                self._count(outputs["scores"])
        return outgoing

    def _count(self, scores_NK: NDArray[np.float32]) -> None:
        """What the scores look like, now and then."""
        self._batches += 1
        if self._batches % COUNT_EVERY == 0:
            for place, count in enumerate(score_counts(scores_NK).tolist()):
                if count:
                    self._events[f"scores-{place:02}"] += count

    def _answer(self, asked_N: list[int], now_s: float) -> list[Outgoing]:
        """Features to the parent or, while that is silent, to the fallback."""
        parent = self._to.parent
        if parent is None:
            return []
        if self._to.fallback is not None:
            if self._parent.is_alive(parent, now_s):
                self._unsure.append((now_s, asked_N))
            else:
                parent = self._to.fallback
        outgoing, found = [], 0
        for start in range(0, len(asked_N), MAX_ROWS):
            features = self._kept.get(asked_N[start : start + MAX_ROWS])
            if features is not None:
                outgoing.append(Outgoing(parent, features))
                found += len(features.samples_N)
        self._events["forgotten"] += len(asked_N) - found
        return outgoing

    def _lost(self, now_s: float) -> list[int]:
        """Samples sent to the parent in the time in which it turned out to be gone."""
        parent = self._to.parent or ""
        since_s = now_s - 2 * self._to.patience_s
        while self._unsure and self._unsure[0][0] < since_s:
            self._unsure.popleft()
        if self._parent.is_alive(parent, now_s):
            return []
        lost = [sample for _, samples_N in self._unsure for sample in samples_N]
        self._unsure.clear()
        return lost
