"""Verdicts of a run and what they add up to: accuracy, shares, intervals, `verdicts.csv`.

`evaluate`, `failures` and `launch` all report through this, with the same names.
Axes: N samples, V views.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.report.files import write_csv

UNANSWERED = -1
NO_EXIT = -1
COLUMNS = ("sample", "label", "predicted", "exit", "entropy", "present", "degraded", "past")


class Answer(NamedTuple):
    """How one sample was answered.

    exit: index into the topology's exits, NO_EXIT for the prior class. views: bit v is 1 where
    device v had a part in it, bit V + b where features went past the b-th node of
    Topology.bypassable. latency_s: from its first capture on. probability: of the class, NaN where
    it is not known.
    """

    sample: int
    exit: int
    predicted: int
    entropy: float
    views: int
    degraded: bool
    latency_s: float
    probability: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdicts:
    """One answer a sample, in sample order.

    predicted_N: class, UNANSWERED (-1) where there is none.
    exit_N: index into `exits`, -1 where no exit answered.
    present_NV: which devices had a part in the answer. past_N: bit b where features went past the
    node bypassable[b]; empty where nothing ever does.
    """

    exits: tuple[str, ...]
    classes: tuple[str, ...]
    labels_N: NDArray[np.int64]
    predicted_N: NDArray[np.int64]
    exit_N: NDArray[np.int64]
    entropy_N: NDArray[np.float32]
    present_NV: NDArray[np.bool_]
    degraded_N: NDArray[np.bool_]
    bypassable: tuple[str, ...] = ()
    past_N: tuple[int, ...] = ()

    @property
    def correct_N(self) -> NDArray[np.bool_]:
        """Where the answer is the label; no answer is wrong."""
        return np.asarray(self.predicted_N == self.labels_N)

    def answers(self) -> Iterator[Answer]:
        """One after the other; how long they took is not known."""
        past_N = self.past_N or [0] * len(self.present_NV)
        for n, seen_V in enumerate(self.present_NV.tolist()):
            yield Answer(
                sample=n,
                exit=int(self.exit_N[n]),
                predicted=int(self.predicted_N[n]),
                entropy=float(self.entropy_N[n]),
                views=sum(seen << view for view, seen in enumerate(seen_V))
                | past_N[n] << len(seen_V),
                degraded=bool(self.degraded_N[n]),
                latency_s=math.nan,
            )


@dataclass(slots=True, kw_only=True)
class Counts:
    """Of verdicts: all, and by exit and by class in the order of their names. known: those whose
    label is known, of which `correct` are right."""

    samples: int
    answered: int
    known: int
    correct: int
    degraded: int
    exit_samples: list[int]
    exit_known: list[int]
    exit_correct: list[int]
    class_samples: list[int]
    class_correct: list[int]

    @classmethod
    def zero(cls, exits: int, classes: int) -> Counts:
        """Of no verdicts."""
        return cls(
            samples=0, answered=0, known=0, correct=0, degraded=0,
            exit_samples=[0] * exits, exit_known=[0] * exits, exit_correct=[0] * exits,
            class_samples=[0] * classes, class_correct=[0] * classes,
        )  # fmt: skip


def summarize(verdicts: Verdicts) -> dict[str, Any]:
    """The part of `report.json` that follows from the verdicts alone. Shares are of 1."""
    correct_N = verdicts.correct_N
    exits, classes = range(len(verdicts.exits)), range(len(verdicts.classes))
    exit_samples = [int((verdicts.exit_N == e).sum()) for e in exits]
    counts = Counts(
        samples=len(correct_N),
        known=len(correct_N),
        answered=int((verdicts.predicted_N != UNANSWERED).sum()),
        correct=int(correct_N.sum()),
        degraded=int(verdicts.degraded_N.sum()),
        exit_samples=exit_samples,
        exit_known=exit_samples,
        exit_correct=[int(correct_N[verdicts.exit_N == e].sum()) for e in exits],
        class_samples=[int((verdicts.labels_N == k).sum()) for k in classes],
        class_correct=[int(correct_N[verdicts.labels_N == k].sum()) for k in classes],
    )
    return summary(counts, verdicts.exits, verdicts.classes)


def summary(counts: Counts, exits: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """As `summarize`, from counts."""
    return {
        "samples": counts.samples,
        "answered": counts.answered,
        "accuracy": ratio(counts.correct, counts.known),
        "accuracy_interval": wilson_interval(counts.correct, counts.known),
        "exits": {
            name: {
                "samples": counts.exit_samples[e],
                "share": ratio(counts.exit_samples[e], counts.samples),
                "accuracy": ratio(counts.exit_correct[e], counts.exit_known[e]),
            }
            for e, name in enumerate(exits)
        },
        "degraded": counts.degraded,
        "classes": {
            name: {"samples": counts.class_samples[k], "correct": counts.class_correct[k]}
            for k, name in enumerate(classes)
        },
    }


def ratio(part: int, whole: int) -> float | None:
    """part / whole, None (JSON null) where there is nothing to divide by."""
    return part / whole if whole else None


def wilson_interval(correct: int, total: int) -> tuple[float, float] | None:
    """95 % interval of a proportion (Wilson score), None for no samples.

    Source: Wilson 1927; z = 1.96.
    """
    if total == 0:
        return None
    z, p = 1.959964, correct / total
    center = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)


def write_verdicts(path: Path, verdicts: Verdicts) -> None:
    """`verdicts.csv`: one line a sample, present as one digit a view."""
    rows = verdict_rows(
        verdicts.exits,
        verdicts.classes,
        views=verdicts.present_NV.shape[1],
        bypassable=verdicts.bypassable,
    )
    write_csv(path, columns(verdicts.bypassable), map(rows, verdicts.answers(), verdicts.labels_N))


def columns(bypassable: Sequence[str]) -> tuple[str, ...]:
    """Of `verdicts.csv`; `past` only where there is something that a fallback leads past."""
    return COLUMNS if bypassable else COLUMNS[:-1]


def verdict_rows(
    exits: Sequence[str], classes: Sequence[str], *, views: int, bypassable: Sequence[str] = ()
) -> Callable[[Answer, int], tuple[object, ...]]:
    """Makes lines of `verdicts.csv` of an answer and its sample's label.

    bypassable: nodes that a fallback leads past; those that features went past stand in `past`.
    """
    exit_names, class_names, places = [*exits, ""], [*classes, ""], range(views)
    count = len(columns(bypassable))

    def row(answer: Answer, label: int) -> tuple[object, ...]:
        cells = (
            answer.sample,
            class_names[label],
            class_names[answer.predicted],
            exit_names[answer.exit],
            f"{answer.entropy:.6f}",
            "".join("01"[answer.views >> place & 1] for place in places),
            int(answer.degraded),
            "+".join(n for b, n in enumerate(bypassable, start=views) if answer.views >> b & 1),
        )
        return cells[:count]

    return row
