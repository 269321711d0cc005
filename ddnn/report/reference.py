"""`validation.json`: what validation samples look like to a bundle's network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ddnn.plainfile import read_plain

FILE = "validation.json"
BINS = 20
"""Of entropy, from 0 to 1."""
RARE = 0.01
"""How often chance alone may look like a change."""
DRAWS = 500


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

    More samples than theirs count as many as theirs: a camera's next pictures look like the last,
    so that many of them are no more evidence.
    Source: Press et al., Numerical Recipes, 14.3, equation for two binned data sets.
    """
    b = max(1, sum(theirs))
    part = min(1.0, b / max(1, sum(ours)))
    seen = [(part * x, y) for x, y in zip(ours, theirs, strict=True) if x + y]
    a = max(1.0, sum(x for x, _ in seen))
    chi_square = sum((math.sqrt(b / a) * x - math.sqrt(a / b) * y) ** 2 / (x + y) for x, y in seen)
    return chi_square / max(1, len(seen) - 1)


@lru_cache(maxsize=1000)
def unlikeness_by_chance(theirs: tuple[int, ...], samples: int) -> float:
    """What `unlikeness` of so many samples, drawn like theirs, exceeds RARE of the time.

    Found by drawing both anew DRAWS times from theirs, always the same draws.
    """
    b = max(1, sum(theirs))
    rng = np.random.default_rng(0)
    shares = np.array(theirs) / b
    ours_DB = rng.multinomial(max(1, min(samples, b)), shares, size=DRAWS)
    theirs_DB = rng.multinomial(b, shares, size=DRAWS)
    found = [unlikeness(x, y) for x, y in zip(ours_DB.tolist(), theirs_DB.tolist(), strict=True)]
    return float(np.quantile(found, 1 - RARE))
