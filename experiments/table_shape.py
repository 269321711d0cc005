"""What a table of README.md is: rows and columns of a means file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """measures: joined where there are several. results, setting, row: others than those of the
    table and its row. short: the mean alone. digits: after the point. is_count: of seeds."""

    heading: str
    measures: str
    results: str | None = None
    setting: str | None = None
    row: str | None = None
    short: bool = False
    digits: int = 1
    is_count: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """results: NAME-CARD of a means file. rows: setting and row in it, by the label shown; none:
    all of the file, labelled by row."""

    results: str
    first: str
    rows: Mapping[str, tuple[str, str]]
    columns: Sequence[Column]


def same(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Rows that are labelled as they are called, each a setting of its own."""
    return {name: (name, name) for name in names}


def of(setting: str, rows: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Rows of one setting, labelled as they are called."""
    return {row: (setting, row) for row in rows}


def exits(*names: str) -> list[Column]:
    """A column a measure, headed by its name."""
    return [Column(name.replace("_", " "), name) for name in names]
