"""`validation.json`: what validation samples look like to a bundle's network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ddnn.plainfile import read_plain

FILE = "validation.json"
BINS = 20
"""Of entropy, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """entropy: counts of BINS bins. exits: samples that each answered. scores: by device, what
    its scores look like, see ddnn.decision.score_counts."""

    samples: int
    mean_entropy: float
    entropy: Sequence[int]
    exits: Mapping[str, int]
    scores: Mapping[str, Sequence[int]]


def read_reference(run: Path, bundle_sha256: str) -> Reference | None:
    """None where the run's folder has none of this bundle."""
    try:
        found = json.loads(read_plain(run / FILE))
        if found["bundle_sha256"] != bundle_sha256:
            return None
        return Reference(
            samples=int(found["samples"]),
            mean_entropy=float(found["entropy"]["mean"]),
            entropy=[int(count) for count in found["entropy"]["counts"]],
            exits={str(name): int(count) for name, count in found["exits"].items()},
            scores={str(n): [int(c) for c in counts] for n, counts in found["scores"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def distance(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Between two distributions, total variation: 0 is equal, 1 has nothing in common."""
    a, b = max(1, sum(ours)), max(1, sum(theirs))
    return sum(abs(x / a - y / b) for x, y in zip(ours, theirs, strict=True)) / 2


def unlikeness(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """How much more two counts differ than chance would have it: chi-square for each degree of
    freedom, about 1 where both are of the same thing, however many samples there are.

    Source: Press et al., Numerical Recipes, 14.3, equation for two binned data sets.
    """
    a, b = max(1, sum(ours)), max(1, sum(theirs))
    seen = [(x, y) for x, y in zip(ours, theirs, strict=True) if x + y]
    chi_square = sum((math.sqrt(b / a) * x - math.sqrt(a / b) * y) ** 2 / (x + y) for x, y in seen)
    return chi_square / max(1, len(seen) - 1)
