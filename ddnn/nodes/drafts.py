"""What exits have said of a sample that is not answered yet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ddnn.report.verdicts import NO_EXIT, UNANSWERED, Answer
from ddnn.wire.messages import Verdict


class Found(NamedTuple):
    """What an exit found. views: who had a part in it."""

    exit: int
    predicted: int
    entropy: float
    views: int
    is_final: bool
    probability: float = math.nan


NOTHING = Found(NO_EXIT, UNANSWERED, 1.0, 0, is_final=False)


def found_by(exit_number: int, verdict: Verdict, *, is_last: bool) -> Iterator[tuple[int, Found]]:
    """By sample number, as it is on the wire. is_last: nobody answers after this exit."""
    rows = zip(
        verdict.samples_N,
        verdict.views_N,
        verdict.predicted_N,
        verdict.entropy_N,
        verdict.final_N,
        verdict.probability_N,
        strict=True,
    )
    for sample, views, predicted, entropy, final, probability in rows:
        yield (
            sample,
            Found(
                exit_number if views else NO_EXIT,
                predicted,
                entropy,
                views,
                final or is_last,
                probability if views else math.nan,
            ),
        )


@dataclass(slots=True)
class Draft:
    """What is known of a sample that is not answered yet. doubtful: past a node that lives."""

    sent_s: float
    found: Found = NOTHING
    doubtful: Found | None = None
    degraded: bool = False

    @property
    def exit(self) -> int:
        """The deepest that answered."""
        return self.found.exit

    def take(self, found: Found) -> None:
        """It holds, unless a deeper exit answers."""
        self.found, self.doubtful = found, None
        self.degraded |= not found.views

    def give_up(self, prior_class: int) -> None:
        """No exit answered: what is in doubt is better than the commonest class."""
        prior = self.found._replace(predicted=prior_class, probability=math.nan)
        self.found, self.degraded = self.doubtful or prior, True

    def answer(self, sample: int, now_s: float, views: int) -> Answer:
        """What it has come to. views: bits of all views; others stand for nodes gone past."""
        found = self.found
        return Answer(
            sample=sample,
            exit=found.exit,
            predicted=found.predicted,
            entropy=found.entropy,
            views=found.views,
            degraded=self.degraded or found.views > views,
            latency_s=now_s - self.sent_s,
            probability=found.probability,
        )
