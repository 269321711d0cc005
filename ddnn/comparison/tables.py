"""Submissions as tables for a person, and as rows of a CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from ddnn.comparison.submission import Result, Row, Submission, TaskRecord
from ddnn.report.tables import percent, table

CSV_COLUMNS = ("task", "method", *Row.model_fields)


def tables(tasks: Sequence[TaskRecord], results: Sequence[Result]) -> Iterator[Table]:
    """One a task, the largest area first; per cent, and the areas at bit error rates."""
    for task in tasks:
        half = task.devices // 2
        here = [result for result in results if result.task == task.name]
        rates = sorted({area.bit_error_rate for x in here for area in x.areas} - {0.0})
        weighs = "objects alike" if task.things < task.test_samples else "samples"
        made = table(
            f"{task.name}: {task.test_samples} test samples, {task.things} {weighs}, "
            f"{task.devices} devices, commonest class {percent(task.commonest)}",
            "method", "bytes", "0 lost", "1", f"{half}", "area", "95 %",
            *(f"at {rate:.0e}" for rate in rates), "seeds",
        )  # fmt: skip
        for result in sorted(here, key=lambda x: -_area(x, 0.0)):
            made.add_row(result.method, *_cells(result, half, rates))
        yield made


def _cells(result: Result, half: int, rates: Sequence[float]) -> list[str]:
    clean = next((area for area in result.areas if area.bit_error_rate == 0), None)
    spread = "–" if clean is None else f"{_number(clean.low)} – {_number(clean.high)}"
    return [
        f"{result.mean(0, 0.0, 'bytes'):.1f}",
        *(_number(result.mean(lost, 0.0)) for lost in (0, min(1, half), half)),
        _number(_area(result, 0.0)),
        spread,
        *(_number(_area(result, rate)) for rate in rates),
        str(result.seeds),
    ]


def _number(share: float) -> str:
    """Per cent without the sign: there are many columns."""
    return f"{100 * share:.1f}"


def _area(result: Result, rate: float) -> float:
    return next((area.area for area in result.areas if area.bit_error_rate == rate), 0.0)


def csv_rows(submission: Submission) -> Iterator[tuple[object, ...]]:
    """Of CSV_COLUMNS: every row of every result."""
    for result in submission.results:
        for row in result.rows:
            yield (result.task, result.method, *row.model_dump().values())
