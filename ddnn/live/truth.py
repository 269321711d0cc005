"""How often live verdicts are true, as far as the truth comes to be known.

Truth may come late, and in any order: the last KEPT verdicts wait for it. Memory is bounded.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from ddnn.errors import ConfigError
from ddnn.live.events import AccuracyEvent, Share
from ddnn.report.tally import Tally
from ddnn.report.verdicts import Answer, ratio, wilson_interval

KEPT = 100_000
"""Verdicts that wait for their truth."""
RECENT = 1000
"""Verdicts of known truth that the latest accuracy is of."""


class Truth:
    """Counts of all, of the last RECENT, and of those before and since the latest failure."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._waiting: OrderedDict[int, tuple[int, int, Tally]] = OrderedDict()  # by sample:
        # its exit, the class it said, and where its label is counted
        self._known = self._right = 0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._since: list[int] = [0, 0]  # right, known
        self._before: list[int] = [0, 0]
        self._failed_at = -1

    @property
    def known(self) -> int:
        """Verdicts whose truth is known."""
        return self._known

    def answered(self, answer: Answer, label: int | None, tally: Tally) -> None:
        """A verdict. label: where the truth is known already; tally: counts it else, when told."""
        if label is not None:
            self._count(answer.sample, answer.predicted == label)
            return
        self._waiting[answer.sample] = answer.exit, answer.predicted, tally
        if len(self._waiting) > KEPT:
            self._waiting.popitem(last=False)

    def tell(self, sample: int, named: str | int) -> bool:
        """The sample's class, by name or number. Returns whether the verdict was right.

        Raises ConfigError for a sample that waits for none, and for a class that there is not.
        """
        label = self._class(named)
        if sample not in self._waiting:
            raise ConfigError(
                f"sample {sample}: waits for no truth, want one of the last {KEPT} verdicts, once"
            )
        exit_number, predicted, tally = self._waiting.pop(sample)
        tally.learn(exit_number, predicted, label)
        right = predicted == label
        self._count(sample, right)
        return right

    def failed(self, sample: int) -> None:
        """Something failed, or came back, from this sample on."""
        self._failed_at = sample
        recent = list(self._recent)
        self._before, self._since = [sum(recent), len(recent)], [0, 0]

    def event(self) -> AccuracyEvent:
        """How things stand."""
        recent = sum(self._recent), len(self._recent)
        return AccuracyEvent(
            kind="accuracy",
            time=time.time(),
            all=_share(self._right, self._known),
            recent=_share(*recent),
            since=_share(*self._since),
            before=_share(*self._before),
        )

    def _count(self, sample: int, right: bool) -> None:
        self._known += 1
        self._right += right
        self._recent.append(right)
        if sample >= self._failed_at:
            self._since[0] += right
            self._since[1] += 1

    def _class(self, named: str | int) -> int:
        if isinstance(named, str) and named in self._classes:
            return self._classes.index(named)
        is_number = isinstance(named, int) and not isinstance(named, bool)
        if is_number and int(named) in range(len(self._classes)):
            return int(named)
        raise ConfigError(f"class {named!r}: want one of {', '.join(self._classes)}, or its number")


def _share(right: int, known: int) -> Share:
    return {
        "samples": known,
        "accuracy": ratio(right, known),
        "interval": wilson_interval(right, known),
    }
