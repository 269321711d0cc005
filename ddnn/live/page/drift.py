"""How what comes now differs from validation: entropy, exits, and each device's scores.

A camera that was moved, or sees something new, is less sure, or sure of other things.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from ddnn.decision import SCORE_BINS
from ddnn.live.events import LinksEvent
from ddnn.live.page.batch import Batch
from ddnn.report.reference import (
    BINS,
    Reference,
    distance,
    unlikeness,
    unlikeness_by_chance,
)
from ddnn.wire.accounts import SCORES

RECENT = 500
"""Verdicts that are held against validation."""
LOOKS = 30
"""A device's scores are those between so many counts: a minute, where they come every 2 s."""
ENOUGH = 50
"""Fewer samples say nothing."""
STEP = 10
"""Samples in steps of so many, for which it is found once what chance gives."""


class Drift:
    """reference: None: nothing is known of validation."""

    def __init__(self, reference: Reference | None, devices: Sequence[str]) -> None:
        self._reference = reference
        self._devices = tuple(devices)
        self._entropy: deque[float] = deque(maxlen=RECENT)
        self._exits: deque[str | None] = deque(maxlen=RECENT)
        self._scores: deque[dict[str, list[int]]] = deque(maxlen=LOOKS)

    def add(self, batch: Batch) -> None:
        """More verdicts."""
        self._entropy.extend(batch.entropy_N[-RECENT:].tolist())
        self._exits.extend(batch.exits_N[-RECENT:].tolist())

    def count(self, event: LinksEvent) -> None:
        """What devices counted since the run began; one that was started again begins at nought."""
        found = {name: _scores_of(event["events"].get(name, {})) for name in self._devices}
        if self._scores and any(sum(found[n]) < sum(self._scores[-1][n]) for n in found):
            self._scores.clear()
        self._scores.append(found)

    def devices(self) -> dict[str, tuple[float, float] | None]:
        """By device, how unlike validation's its scores are, and what chance alone exceeds once in
        a hundred times; None: not known."""
        reference = self._reference
        if reference is None or not self._scores:
            return dict.fromkeys(self._devices)
        old, new = self._scores[0], self._scores[-1]
        if len(self._scores) < LOOKS:  # since the run began
            old = {name: [0] * len(counts) for name, counts in new.items()}
        now = {n: [b - a for a, b in zip(old[n], new[n], strict=True)] for n in self._devices}
        return {
            name: _beside_chance(counts, reference.scores[name])
            if sum(counts) >= ENOUGH and name in reference.scores
            else None
            for name, counts in now.items()
        }

    def snapshot(self) -> dict[str, Any] | None:
        """For JSON; None where nothing is known of validation."""
        reference = self._reference
        if reference is None:
            return None
        count = len(self._entropy)
        bins = Counter(min(BINS - 1, int(value * BINS)) for value in self._entropy)
        exits = Counter(self._exits)
        return {
            "samples": count,
            "entropy": sum(self._entropy) / count if count else None,
            "validation_entropy": reference.mean_entropy,
            "entropy_distance": distance([bins[b] for b in range(BINS)], reference.entropy)
            if count >= ENOUGH
            else None,
            "exits": {
                name: {
                    "now": exits[name] / count if count else None,
                    "validation": validated / max(1, reference.samples),
                }
                for name, validated in reference.exits.items()
            },
            "devices": {
                name: {
                    "drift": found and found[0],
                    "chance": found and found[1],
                    "changed": found is not None and found[0] > found[1],
                }
                for name, found in self.devices().items()
            },
        }


def _beside_chance(ours: Sequence[int], theirs: Sequence[int]) -> tuple[float, float]:
    samples = min(sum(ours), sum(theirs))
    most = unlikeness_by_chance(tuple(theirs), max(STEP, samples // STEP * STEP))
    return unlikeness(ours, theirs), most


def _scores_of(events: Mapping[str, int]) -> list[int]:
    return [events.get(f"{SCORES}{place:02}", 0) for place in range(SCORE_BINS)]
