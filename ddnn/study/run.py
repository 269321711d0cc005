"""Runs a study: its jobs on an engine, its tables as results come."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ddnn.study.engine import open_engine
from ddnn.study.jobs_folder import JobsFolder, Show
from ddnn.study.rows import MEANS, ROWS, write_means, write_rows
from ddnn.study.studyfile import Plan

RUNS = "runs"
"""In a study's folder: the trained networks."""
WRITE_S = 5.0
"""Between two states of the tables while jobs run."""


def run_study(
    plan: Plan, folder: Path, *, engine: str, show: Show = lambda _: None
) -> list[dict[str, Any]]:
    """Writes rows.csv and means.csv; gives the lines of the latter.

    Raises DdnnError where jobs failed; the tables then are of the others.
    """
    results: dict[str, Any] = {}

    def write() -> list[dict[str, Any]]:
        write_rows(folder / ROWS, plan, results)
        return write_means(folder / MEANS, plan, results)

    written_s = time.monotonic()
    with open_engine(engine, folder) as opened:
        try:
            for job, answer in JobsFolder(folder).run(plan.all_jobs, opened, show):
                results[job.key] = answer.result
                if time.monotonic() - written_s > WRITE_S:
                    write()
                    written_s = time.monotonic()
        finally:
            lines = write() if results else []
    return lines
