"""Verdicts of a run and what they add up to: accuracy, shares, intervals, `verdicts.csv`.

`evaluate`, `failures` and `launch` all report through this, with the same names.
Axes: N samples, V views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.report.files import write_csv

UNANSWERED = -1
NO_EXIT = -1
COLUMNS = ("sample", "label", "predicted", "exit", "entropy", "present", "degraded")


class Answer(NamedTuple):
    """How one sample was answered.

    exit: index into the topology's exits, NO_EXIT for the prior class. views: bit v is 1 where
    device v had a part in it. latency_s: from its first capture on.
    """

    sample: int
    exit: int
    predicted: int
    entropy: float
    views: int
    degraded: bool
    latency_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdicts:
    """One answer a sample, in sample order.

    predicted_N: class, UNANSWERED (-1) where there is none.
    exit_N: index into `exits`, -1 where no exit answered.
    present_NV: which devices had a part in the answer.
    """

    exits: tuple[str, ...]
    classes: tuple[str, ...]
    labels_N: NDArray[np.int64]
    predicted_N: NDArray[np.int64]
    exit_N: NDArray[np.int64]
    entropy_N: NDArray[np.float32]
    present_NV: NDArray[np.bool_]
    degraded_N: NDArray[np.bool_]

    @property
    def correct_N(self) -> NDArray[np.bool_]:
        """Where the answer is the label; no answer is wrong."""
        return np.asarray(self.predicted_N == self.labels_N)


def summarize(verdicts: Verdicts) -> dict[str, Any]:
    """The part of `report.json` that follows from the verdicts alone. Shares are of 1."""
    correct_N = verdicts.correct_N
    total = len(correct_N)
    exits = {}
    for number, name in enumerate(verdicts.exits):
        here_N = verdicts.exit_N == number
        exits[name] = {
            "samples": int(here_N.sum()),
            "share": ratio(int(here_N.sum()), total),
            "accuracy": ratio(int(correct_N[here_N].sum()), int(here_N.sum())),
        }
    return {
        "samples": total,
        "answered": int((verdicts.predicted_N != UNANSWERED).sum()),
        "accuracy": ratio(int(correct_N.sum()), total),
        "accuracy_interval": wilson_interval(int(correct_N.sum()), total),
        "exits": exits,
        "degraded": int(verdicts.degraded_N.sum()),
        "classes": {
            name: {
                "samples": int((verdicts.labels_N == k).sum()),
                "correct": int(correct_N[verdicts.labels_N == k].sum()),
            }
            for k, name in enumerate(verdicts.classes)
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
    names = [*verdicts.classes, ""]
    exits = [*verdicts.exits, ""]
    write_csv(
        path,
        COLUMNS,
        (
            (
                n,
                names[verdicts.labels_N[n]],
                names[verdicts.predicted_N[n]],
                exits[verdicts.exit_N[n]],
                f"{verdicts.entropy_N[n]:.6f}",
                "".join("01"[int(seen)] for seen in verdicts.present_NV[n]),
                int(verdicts.degraded_N[n]),
            )
            for n in range(len(verdicts.labels_N))
        ),
    )
