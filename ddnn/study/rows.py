"""What a study found: rows.csv, one a network, seed and set of lost devices, and means.csv."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from scipy import stats

from ddnn.report.files import write_csv
from ddnn.study.job import DIGITS, Job
from ddnn.study.studyfile import Plan, Point

ROWS, MEANS = "rows.csv", "means.csv"
OVERALL = "overall"
FEW_SEEDS = 3
"""With fewer, an interval over seeds says nothing: Student's t is 12.7 for two."""
FIGURES = ("payload_bytes", "energy_uj")
Results = Mapping[str, Mapping[str, Any]]
"""By job key, what the job found."""


class Mean(NamedTuple):
    """Over seeds, with a 95 % interval (Student's t) where there are three or more."""

    value: float
    low: float | None
    high: float | None


def mean_of(values: Sequence[float], least: float = 0.0, most: float = math.inf) -> Mean:
    """least, most: what the measure can be."""
    if len(values) < FEW_SEEDS:
        return Mean(mean(values), None, None)
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    middle = mean(values)
    return Mean(middle, max(least, middle - half), min(most, middle + half))


def write_rows(path: Path, plan: Plan, results: Results) -> None:
    """Those that are there, in the study's order, whatever the order in which they came."""
    found = [
        (point, job, row)
        for point, jobs in zip(plan.points, plan.jobs, strict=True)
        for job in jobs
        if job.key in results
        for row in results[job.key]["rows"]
    ]
    chosen = _columns(point.chosen for point in plan.points)
    exits = _columns(row["accuracy"] for _, _, row in found)
    header = [*chosen, "seed", "lost", "count", *exits, *(f"{name}_share" for name in exits[:-1])]
    write_csv(
        path,
        [*header, *FIGURES, "samples", "job"],
        (_cells(point, job, row, chosen, exits) for point, job, row in found),
    )


def write_means(path: Path, plan: Plan, results: Results) -> list[dict[str, Any]]:
    """One line a network and number of lost devices: over all sets of that size, then seeds."""
    lines = [line for at, _ in enumerate(plan.points) for line in _mean_lines(plan, at, results)]
    header = _columns(lines)
    write_csv(path, header, ([_text(line.get(name)) for name in header] for line in lines))
    return lines


def _mean_lines(plan: Plan, at: int, results: Results) -> Iterable[dict[str, Any]]:
    found = [results[job.key]["rows"] for job in plan.jobs[at] if job.key in results]
    for count in sorted({len(row["lost"]) for rows in found for row in rows}):
        same = [[row for row in rows if len(row["lost"]) == count] for rows in found]
        overall = mean_of([mean(_overall(rows)) for rows in same], most=1.0)
        line = dict(plan.points[at].chosen) | {
            "lost": count,
            "sets": len(same[0]),
            "seeds": len(same),
            "samples": same[0][0]["samples"],
            OVERALL: overall.value,
            f"{OVERALL}_low": overall.low,
            f"{OVERALL}_high": overall.high,
            f"{OVERALL}_worst": mean(min(_overall(rows)) for rows in same),
        }
        for name in same[0][0]["accuracy"]:
            if name != OVERALL:
                line[name] = mean(mean(row["accuracy"][name] for row in rows) for rows in same)
        for name in FIGURES:
            values = [row[name] for rows in same for row in rows]
            line[name] = None if None in values else mean(values)
        yield line


def _overall(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    return [row["accuracy"][OVERALL] for row in rows]


def _columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Of all rows, in the order in which they are met; the overall figure last of the exits."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if names and OVERALL in names and "seeds" not in names:
        names.remove(OVERALL)
        names.append(OVERALL)
    return names


def _cells(
    point: Point, job: Job, row: Mapping[str, Any], chosen: Sequence[str], exits: Sequence[str]
) -> list[object]:
    shares, accuracy = row["shares"], row["accuracy"]
    return [
        *(_text(point.chosen.get(name)) for name in chosen),
        job.inputs["seed"],
        "+".join(row["lost"]),
        len(row["lost"]),
        *(_text(accuracy.get(name)) for name in exits),
        *(_text(shares.get(name)) for name in exits[:-1]),
        *(_text(row[name]) for name in FIGURES),
        row["samples"],
        job.key[:DIGITS],
    ]


def _text(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else value
