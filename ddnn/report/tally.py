"""Adds verdicts up as they come: what any number of them has to say, in memory that stays small."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.report.verdicts import NO_EXIT, UNANSWERED, Answer, Counts, summary

RATIO = 1.01
"""Between the bounds of a bucket of Percentiles."""
SHORTEST_S, LONGEST_S = 1e-6, 1e6


class Tally:
    """Counts of all answers so far, and how long they took by exit."""

    def __init__(self, exits: Sequence[str], classes: Sequence[str]) -> None:
        self._exits, self._classes = tuple(exits), tuple(classes)
        self.counts = Counts.zero(len(exits), len(classes))
        self.prior_answers = 0
        self._taken_s = [Percentiles() for _ in exits]

    def add(self, answer: Answer, label: int | None) -> None:
        """One more. label: None where it is not known; `learn` may tell it later."""
        counts = self.counts
        counts.samples += 1
        counts.answered += answer.predicted != UNANSWERED
        counts.degraded += answer.degraded
        if label is not None:
            self.learn(answer.exit, answer.predicted, label)
        if answer.exit == NO_EXIT:
            self.prior_answers += 1
            return
        counts.exit_samples[answer.exit] += 1
        self._taken_s[answer.exit].add(answer.latency_s)

    def learn(self, exit_number: int, predicted: int, label: int) -> None:
        """The label of an answer: which exit gave it, and the class that it said."""
        counts, right = self.counts, predicted == label
        counts.known += 1
        counts.correct += right
        counts.class_samples[label] += 1
        counts.class_correct[label] += right
        if exit_number != NO_EXIT:
            counts.exit_known[exit_number] += 1
            counts.exit_correct[exit_number] += right

    def summary(self) -> dict[str, Any]:
        """As verdicts.summarize of the same answers."""
        return summary(self.counts, self._exits, self._classes)

    def latencies_ms(self) -> dict[str, dict[str, float]]:
        """p50, p95 and p99 of each exit that answered, each within 0.5 %."""
        return {
            name: {f"p{percent}": 1000 * taken_s.at(percent) for percent in (50, 95, 99)}
            for name, taken_s in zip(self._exits, self._taken_s, strict=True)
            if taken_s.count
        }


class Percentiles:
    """Percentiles of any number of times, each less than 0.5 % off: only a count is kept for each
    bucket of 1 %, of which there are 2,777 from a microsecond to 11 days."""

    def __init__(self) -> None:
        self.count = 0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """One more."""
        seconds = min(max(seconds, SHORTEST_S), LONGEST_S)
        self.count += 1
        self._buckets[round(math.log(seconds) / math.log(RATIO))] += 1

    def add_all(self, seconds_N: NDArray[np.float64]) -> None:
        """Many at once."""
        clipped_N = np.clip(seconds_N, SHORTEST_S, LONGEST_S)
        buckets_N = np.rint(np.log(clipped_N) / math.log(RATIO)).astype(int)
        self.count += len(buckets_N)
        self._buckets.update(Counter(buckets_N.tolist()))

    def join(self, other: Percentiles) -> None:
        """Those of the other too."""
        self.count += other.count
        self._buckets += other._buckets

    def at(self, percent: float) -> float:
        """The shortest time that so many per cent do not exceed; NaN of none."""
        wanted, seen = percent / 100 * self.count, 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen >= wanted:
                return float(RATIO**bucket)
        return math.nan
