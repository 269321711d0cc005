"""Accuracy of the last labelled samples, and what each failure did to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ddnn.live.events import AccuracyEvent, FailureEvent, Share, VerdictEvent
from ddnn.live.page.batch import Batch
from ddnn.live.page.health import ENDS
from ddnn.report.tables import with_values
from ddnn.report.verdicts import ratio, wilson_interval
from ddnn.run.failures.failure import FAILURE_KINDS

RECENT = 200
"""Samples over which accuracy now is taken, and before and after a failure, at most."""
MAX_MARKS = 200
"""Marks that are kept: the latest."""
HAPPENED = ("stopped", "restarted")


def share(right: int, samples: int) -> Share:
    """A share with its 95 % interval."""
    return {
        "samples": samples,
        "accuracy": ratio(right, samples),
        "interval": wilson_interval(right, samples),
    }


@dataclass(slots=True)
class Mark:
    """One failure, or what ends one. before: accuracy of the last samples before it; right of
    `samples` since, up to the next one. told: both, of a truth that was told later."""

    number: int
    seconds: float
    node: str
    what: str
    text: str
    sample: int | None
    before: Share
    right: int = 0
    samples: int = 0
    told: tuple[Share, Share] | None = None

    def snapshot(self) -> dict[str, Any]:
        """For JSON."""
        before, after = self.told or (self.before, share(self.right, self.samples))
        return {
            "number": self.number,
            "seconds": round(self.seconds, 3),
            "node": self.node,
            "what": self.what,
            "text": self.text,
            "sample": self.sample,
            "before": before,
            "after": after,
        }


@dataclass(slots=True)
class Accuracy:
    """Of verdicts whose truth is known. told: by a truth that comes later. expected: by `present`
    (one digit a device), what the failure study found with these devices."""

    expected: Mapping[str, float]
    samples: int = 0
    right: int = 0
    marks: deque[Mark] = field(default_factory=lambda: deque(maxlen=MAX_MARKS))
    _recent: deque[VerdictEvent] = field(default_factory=lambda: deque(maxlen=RECENT))
    _number: int = 0
    told: AccuracyEvent | None = None

    def hear(self, event: AccuracyEvent) -> None:
        """What a truth that comes later makes of the verdicts."""
        self.told = event
        if self.marks:
            self.marks[-1].told = event["before"], event["since"]

    def add(self, batch: Batch) -> None:
        """More verdicts."""
        known = {kind: n for kind, n in batch.alike.items() if kind.label is not None}
        self.samples += sum(known.values())
        self.right += sum(n for kind, n in known.items() if kind.predicted == kind.label)
        labelled = [event for event in batch.events if event["label"] is not None]
        self._recent.extend(labelled[-RECENT:])
        if self.marks and self.marks[-1].samples < RECENT:
            mark = self.marks[-1]
            after = labelled[: RECENT - mark.samples]
            mark.samples += len(after)
            mark.right += sum(event["class"] == event["label"] for event in after)

    def mark(self, event: FailureEvent, seconds: float) -> None:
        """Notes a failure; what merely was noticed is none."""
        kind = event["what"].removesuffix(ENDS)
        if not event["applied"] or kind not in (*FAILURE_KINDS, *HAPPENED):
            return
        self._number += 1
        self.marks.append(
            Mark(
                self._number, seconds, event["node"], event["what"],
                with_values(event["what"], event["values"]), event["sample"], self.recent(),
            )
        )  # fmt: skip

    def all(self) -> Share:
        """Of all samples."""
        return self.told["all"] if self.told else share(self.right, self.samples)

    def recent(self) -> Share:
        """Of the last samples."""
        if self.told:
            return self.told["recent"]
        right = sum(event["class"] == event["label"] for event in self._recent)
        return share(right, len(self._recent))

    def expected_now(self) -> float | None:
        """Mean of what the failure study has for the last samples; None where it has nothing. What
        it expects of degraded ones, it does not say."""
        found = (self.expected.get(e["present"]) for e in self._recent if not e["degraded"])
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None
