"""The one file that a comparison writes and that others hand in: strict, versioned, checked.

Its figures follow from its rows and are computed again when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ddnn.errors import ConfigError
from ddnn.topology import Model
from ddnn.yamlfile import read_json

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
NEAR = 1e-6
"""Figures that differ by less are equal: sums in another order."""


class TaskRecord(Model):
    """What was answered. commonest: accuracy of always the commonest class. things: objects that
    weigh the same, or samples where objects are not known."""

    name: Text
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="of data and split")
    classes: int = Field(ge=2)
    devices: int = Field(ge=1)
    test_samples: int = Field(ge=1)
    things: int = Field(ge=1)
    commonest: Share


class Row(Model):
    """Means over all sets of so many lost devices; bytes a device and sample."""

    seed: int = Field(ge=0)
    bit_error_rate: float = Field(ge=0, le=0.5)
    lost: int = Field(ge=0)
    accuracy: Share
    worst: Share
    bytes: float = Field(ge=0)


class Area(Model):
    """Under the curve of accuracy against survival, mean over seeds; low, high: 95 % over the
    test samples' things."""

    bit_error_rate: float = Field(ge=0, le=0.5)
    area: Share
    low: Share
    high: Share


class Result(Model):
    """One method on one task. made: what it says of how it came about."""

    task: Text
    method: Text
    rows: tuple[Row, ...] = Field(strict=False, min_length=1)
    areas: tuple[Area, ...] = Field(strict=False, min_length=1)
    made: dict[str, Any] = Field(default_factory=dict)

    @property
    def seeds(self) -> int:
        return len({row.seed for row in self.rows})

    def mean(self, lost: int, rate: float, key: str = "accuracy") -> float:
        """Of a row's value over seeds. Raises ConfigError where there is no such row."""
        values = [
            float(getattr(row, key))
            for row in self.rows
            if (row.lost, row.bit_error_rate) == (lost, rate)
        ]
        if not values:
            raise ConfigError(f"{self.method} on {self.task}: no row of {lost} lost at {rate:g}")
        return sum(values) / len(values)


class Submission(Model):
    """The file."""

    benchmark: Literal["ddnn"] = "ddnn"
    version: Literal[1] = 1
    tasks: tuple[TaskRecord, ...] = Field(strict=False, min_length=1)
    results: tuple[Result, ...] = Field(strict=False, min_length=1)
    versions: dict[str, str]
    processor: str


def read_submission(path: Path) -> Submission:
    """A file that is whole. Raises ConfigError naming file, place, the value got and the wanted."""
    try:
        submission = read_json(path, Submission)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}, want a submission (JSON)") from error
    try:
        check(submission)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return submission


def check(submission: Submission) -> None:
    """Raises ConfigError where rows are missing or twice, or an area is not that of its rows."""
    tasks = {task.name: task for task in submission.tasks}
    for number, result in enumerate(submission.results):
        where = f"results.{number}"
        if result.task not in tasks:
            raise ConfigError(f"{where}.task: got {result.task!r}, want one of {', '.join(tasks)}")
        _check_rows(result, tasks[result.task], where)
        for place, area in enumerate(result.areas):
            wanted = area_of(result.rows, tasks[result.task], area.bit_error_rate)
            if abs(area.area - wanted) > NEAR:
                raise ConfigError(
                    f"{where}.areas.{place}.area: got {area.area:.6f}, its rows say {wanted:.6f}"
                )


def area_of(rows: Iterable[Row], task: TaskRecord, rate: float) -> float:
    """The area at a rate, mean over seeds."""
    here = [row for row in rows if row.bit_error_rate == rate]
    seeds = len({row.seed for row in here})
    return (sum(row.accuracy for row in here) / seeds + task.commonest) / (task.devices + 1)


def _check_rows(result: Result, task: TaskRecord, where: str) -> None:
    keys = [(row.seed, row.bit_error_rate, row.lost) for row in result.rows]
    seeds = {seed for seed, _, _ in keys}
    rates = {area.bit_error_rate for area in result.areas}
    wanted = {(s, rate, k) for s in seeds for rate in rates for k in range(task.devices)}
    if len(keys) != len(set(keys)) or set(keys) != wanted:
        raise ConfigError(
            f"{where}.rows: got {len(keys)}, want one for each of {len(seeds)} seeds, {len(rates)} "
            f"bit error rates of its areas, and 0 to {task.devices - 1} lost devices"
        )


def joined(submissions: Iterable[Submission]) -> tuple[list[TaskRecord], list[Result]]:
    """Tasks and results of several files. Raises ConfigError where a task is not the same in
    two: its data or its split differ."""
    tasks: dict[str, TaskRecord] = {}
    results: list[Result] = []
    for submission in submissions:
        for task in submission.tasks:
            if tasks.setdefault(task.name, task) != task:
                raise ConfigError(
                    f"{task.name}: digest {task.digest[:12]} and {tasks[task.name].digest[:12]}: "
                    "want the same data and split in all files"
                )
        results += submission.results
    return list(tasks.values()), results
