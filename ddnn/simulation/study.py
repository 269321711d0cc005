"""Simulations of many seeds, and what is done about one that breaks a promise.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from ddnn.report.files import write_bytes
from ddnn.run.failures.plan import FailurePlan
from ddnn.simulation.promises import BrokenPromiseError
from ddnn.simulation.schedule import Schedule, Trouble, schedule_text
from ddnn.simulation.shrink import shortest
from ddnn.simulation.simulation import Laboratory, Result, simulate
from ddnn.simulation.storm import storm

SCHEDULE = "broken-{seed}.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One seed. seconds: of real time. schedule: that replays what broke, shortened."""

    seed: int
    result: Result
    seconds: float
    schedule: Schedule | None = None

    @property
    def broken(self) -> BrokenPromiseError | None:
        """The promise that did not hold."""
        return self.result.broken

    def row(self) -> dict[str, Any]:
        """For a table: a line a seed."""
        result = self.result
        return {
            "seed": self.seed,
            "answered": len(result.answers),
            "degraded": sum(answer.degraded for answer in result.answers),
            "troubles": len(result.troubles),
            "runs": result.runs,
            "events": result.events,
            "virtual_s": round(result.virtual_s, 6),
            "broken": "" if result.broken is None else str(result.broken),
        }


def run_seed(
    laboratory: Laboratory,
    schedule: Schedule,
    *,
    plan: FailurePlan | None = None,
    storm_per_s: float = 0.0,
) -> Ran:
    """One simulation; where it breaks a promise, also the shortest schedule that does."""
    troubles: Iterable[Trouble] = ()
    if storm_per_s:
        topology = laboratory.bundle.topology
        troubles = storm(topology, rate_per_s=storm_per_s, seed=schedule.seed)
    begun_s = time.perf_counter()
    result = simulate(laboratory, schedule, plan=plan, troubles=troubles)
    seconds = time.perf_counter() - begun_s
    shortened = None
    if result.broken is not None:
        shortened = shorten(laboratory, schedule, result, plan)
    return Ran(seed=schedule.seed, result=result, seconds=seconds, schedule=shortened)


def shorten(
    laboratory: Laboratory, schedule: Schedule, result: Result, plan: FailurePlan | None
) -> Schedule:
    """The schedule with as few troubles as still break the same promise."""
    assert result.broken is not None
    promise, until_s = result.broken.promise, result.broken.time_s

    def with_(troubles: Sequence[Trouble]) -> Schedule:
        return schedule.model_copy(update={"troubles": tuple(troubles)})

    def breaks(troubles: Sequence[Trouble]) -> bool:
        broken = simulate(laboratory, with_(troubles), plan=plan).broken
        return broken is not None and broken.promise == promise

    began = list(takewhile(lambda trouble: trouble.at_s <= until_s, result.troubles))
    return with_(shortest(began, breaks) if breaks(began) else began)


def write_schedule(folder: Path, ran: Ran) -> Path | None:
    """The schedule that replays what broke; None where nothing did."""
    if ran.schedule is None:
        return None
    path = folder / SCHEDULE.format(seed=ran.seed)
    write_bytes(path, schedule_text(ran.schedule).encode())
    return path
