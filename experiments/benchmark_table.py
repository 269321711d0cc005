"""The table of docs/benchmark.md from the submission of record.

python experiments/benchmark_table.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ddnn.comparison.submission import Result, read_submission
from ddnn.report.files import write_bytes
from experiments.shared.script import FOLDER, OF_RECORD

PAGE = FOLDER.parent / "docs/benchmark.md"
SUBMISSION = OF_RECORD / "paper/benchmark-submission.json"
PLACE = re.compile(r"(\| task \| method \| bytes .*?\n\|---.*?\n)((?:\|.*\n)+)")
"""Heading, and rows."""


def filled(text: str, submission: Path = SUBMISSION) -> str:
    """The page with the rows of the submission."""
    rows = "".join(f"{line}\n" for line in lines(submission))
    return PLACE.sub(lambda found: found[1] + rows, text)


def lines(submission: Path) -> Iterator[str]:
    """A row a task and method, the largest area first."""
    document = read_submission(submission)
    for task in document.tasks:
        here = [result for result in document.results if result.task == task.name]
        here.sort(key=lambda result: -areas(result)[0.0])
        for place, result in enumerate(here):
            first = "" if place else f"{task.name} "
            yield f"| {first}| {' | '.join(cells(result, task.devices // 2))} |"


def cells(result: Result, half: int) -> list[str]:
    """Of one row, after the task."""
    clean = next(area for area in result.areas if area.bit_error_rate == 0)
    low, high = (100 * value for value in (clean.low, clean.high))
    found = areas(result)
    return [
        f"`{result.method}`",
        f"{result.mean(0, 0.0, 'bytes'):.1f}",
        *(f"{100 * result.mean(lost, 0.0):.1f}" for lost in (0, 1, half)),
        f"{100 * clean.area:.1f} ({low:.1f} – {high:.1f})",
        *(f"{100 * found[rate]:.1f}" for rate in sorted(set(found) - {0.0})),
    ]


def areas(result: Result) -> dict[float, float]:
    """By bit error rate."""
    return {area.bit_error_rate: area.area for area in result.areas}


def main() -> None:
    """Writes the page."""
    write_bytes(PAGE, filled(PAGE.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
