"""The part of a node that runs a section: views or children's features in, scores and features out.

Axes: N samples, M children, V views, C image channels, H, W.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.base import Outgoing
from ddnn.nodes.engine import Engine
from ddnn.nodes.gather import SLOTS, Gather
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


class SectionInput(NamedTuple):
    """A batch ready for the section's engine."""

    samples_N: NDArray[np.uint32]
    present_NV: NDArray[np.bool_]
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
    """A device's own camera: sample s is row s modulo the number of recorded views."""

    def __init__(self, views_NCHW: NDArray[np.uint8], *, view: int, views: int) -> None:
        self._views_NCHW = views_NCHW
        self._present_V = np.arange(views) == view
        self._captured: list[NDArray[np.uint32]] = []

    def handle(self, _sender: str, message: Message, _now_s: float) -> None:
        """See Source."""
        if isinstance(message, Capture):
            self._captured.append(message.samples_N)

    def take(self, _now_s: float) -> list[SectionInput]:
        """See Source."""
        if not self._captured:
            return []
        samples = np.concatenate(self._captured)
        self._captured.clear()
        return [self._batch(samples[i : i + MAX_ROWS]) for i in range(0, len(samples), MAX_ROWS)]

    def _batch(self, samples_N: NDArray[np.uint32]) -> SectionInput:
        views_NCHW = self._views_NCHW[samples_N % len(self._views_NCHW)]
        present_NV = np.broadcast_to(self._present_V, (len(samples_N), len(self._present_V)))
        return SectionInput(samples_N, present_NV, {"views": views_NCHW})

    def due_s(self) -> float | None:
        """See Source."""
        return None


class FeatureSource:
    """The features of the node's children, gathered."""

    def __init__(self, gather: Gather) -> None:
        self._gather = gather
        self._now_s = 0.0

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Source."""
        self._now_s = now_s
        match message:
            case Features(samples_N, present_NV, features_NFHW):
                self._gather.put(sender, samples_N, present_NV, features_NFHW, now_s)
            case Expect(samples_N, present_NV):
                self._gather.expect(samples_N, present_NV)
            case Heartbeat():
                self._gather.liveness.hear(sender, now_s)

    def take(self, now_s: float) -> list[SectionInput]:
        """See Source."""
        self._now_s = now_s
        found = []
        for batch in self._gather.close(now_s):
            inputs: dict[str, NDArray[Any]] = {
                f"features_{place}": values for place, values in enumerate(batch.values)
            }
            inputs["present"] = batch.delivered_NM.astype(np.float32)
            found.append(SectionInput(batch.samples_N, batch.present_NV, inputs))
        return found

    def due_s(self) -> float | None:
        """See Source."""
        return self._gather.due_s(self._now_s)


class _Kept(NamedTuple):
    present_V: NDArray[np.bool_]
    features_FHW: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where a section's outputs go.

    exit_at: who takes the scores, None: the tier has no exit, features go up unasked.
    parent: who takes the features, None at the top.
    """

    exit_at: str | None
    parent: str | None


class SectionPart:
    """Runs a section on what its source gathers. Keeps features until asked for them."""

    def __init__(
        self, source: Source, engine: Engine, to: Destinations, events: Counter[str]
    ) -> None:
        self._source = source
        self._engine = engine
        self._to = to
        self._events = events
        self._kept: dict[int, _Kept] = {}
        self._asked: list[NDArray[np.uint32]] = []

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Part."""
        if isinstance(message, Ask):
            self._asked.append(message.samples_N)
        else:
            self._source.handle(sender, message, now_s)

    def tick(self, now_s: float) -> list[Outgoing]:
        """See Part."""
        outgoing: list[Outgoing] = []
        for batch in self._source.take(now_s):
            outgoing += self._run(batch)
        if self._asked:
            asked = np.concatenate(self._asked)
            self._asked.clear()
            outgoing += self._answer(asked)
        return outgoing

    def due_s(self) -> float | None:
        """See Part."""
        return self._source.due_s()

    def _run(self, batch: SectionInput) -> list[Outgoing]:
        outputs = self._engine.run(batch.inputs)
        outgoing = []
        if self._to.parent is not None:
            features = Features(batch.samples_N, batch.present_NV, outputs["features"])
            if self._to.exit_at is None:
                return [Outgoing(self._to.parent, features)]
            self._keep(features)
        if self._to.exit_at is not None:
            scores = Scores(batch.samples_N, batch.present_NV, outputs["scores"])
            outgoing.append(Outgoing(self._to.exit_at, scores))
        return outgoing

    def _keep(self, features: Features) -> None:
        """Remembers the last SLOTS samples' features."""
        rows = zip(features.present_NV, features.features_NFHW, strict=True)
        for sample, row in zip(features.samples_N.tolist(), rows, strict=True):
            self._kept.pop(sample, None)
            self._kept[sample] = _Kept(*row)
        while len(self._kept) > SLOTS:
            del self._kept[next(iter(self._kept))]

    def _answer(self, asked: NDArray[np.uint32]) -> list[Outgoing]:
        if self._to.parent is None:
            return []
        known = [sample for sample in asked.tolist() if sample in self._kept]
        self._events["forgotten"] += len(asked) - len(known)
        return [
            Outgoing(self._to.parent, self._features(known[i : i + MAX_ROWS]))
            for i in range(0, len(known), MAX_ROWS)
        ]

    def _features(self, samples: Sequence[int]) -> Features:
        kept = [self._kept[sample] for sample in samples]
        return Features(
            np.array(samples, dtype=np.uint32),
            np.stack([row.present_V for row in kept]),
            np.stack([row.features_FHW for row in kept]),
        )
