"""Reads a recorded link from a CSV file, for failures of kind `trace`.

    time_s,latency_ms,loss,bandwidth_kbps
    0,12,0.001,27000
    0.1,48,0.03,6000

A line holds from its time on until the next; the last one stays. Columns other than `time_s` may
be missing, and cells of `bandwidth_kbps` empty: no limit.
"""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

from ddnn.errors import ConfigError
from ddnn.plainfile import read_plain
from ddnn.wire.trace import TraceStep

TIME, LATENCY, LOSS, BANDWIDTH = "time_s", "latency_ms", "loss", "bandwidth_kbps"
COLUMNS = {TIME: 1e6, LATENCY: 60_000.0, LOSS: 1.0, BANDWIDTH: 1e9}
"""With the most that each may be; the least is 0."""
MAX_STEPS = 1000
"""As many lines as one order to a node carries."""


def read_trace(path: Path) -> tuple[TraceStep, ...]:
    """The steps of a file. Raises ConfigError naming file, line, the value got and the wanted."""
    try:
        text = read_plain(path).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}, want a trace (CSV)") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8, want a trace (CSV)") from error
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    columns = [name.strip() for name in header]
    _check_columns(columns, path)
    steps = [_step(columns, row, f"{path}: line {n}") for n, row in enumerate(rows, 2) if row]
    if not 1 <= len(steps) <= MAX_STEPS:
        raise ConfigError(f"{path}: {len(steps)} lines, want 1 to {MAX_STEPS}")
    for number, (before, after) in enumerate(pairwise(steps), 3):
        if after.at_s <= before.at_s:
            raise ConfigError(
                f"{path}: line {number}: {TIME}: got {after.at_s:g}, want more than {before.at_s:g}"
            )
    return tuple(steps)


def _check_columns(columns: list[str], path: Path) -> None:
    known = ", ".join(COLUMNS)
    for name in columns:
        if name not in COLUMNS or columns.count(name) > 1:
            raise ConfigError(f"{path}: line 1: got column {name[:40]!r}, want {known}, each once")
    if TIME not in columns or len(columns) < 2:
        raise ConfigError(f"{path}: line 1: want {TIME} and at least one more of {known}")


def _step(columns: list[str], row: list[str], where: str) -> TraceStep:
    if len(row) != len(columns):
        raise ConfigError(f"{where}: {len(row)} cells, want {len(columns)}")
    values = {name: _number(name, cell, where) for name, cell in zip(columns, row, strict=True)}
    return TraceStep(
        at_s=values[TIME],
        latency_ms=values.get(LATENCY, 0.0),
        loss=values.get(LOSS, 0.0),
        bandwidth_kbps=values.get(BANDWIDTH, 0.0),
    )


def _number(name: str, cell: str, where: str) -> float:
    if name == BANDWIDTH and not cell.strip():
        return 0.0
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value <= COLUMNS[name] or (name == BANDWIDTH and value == 0):
        least = "more than 0" if name == BANDWIDTH else "0"
        raise ConfigError(f"{where}: {name}: got {cell[:40]!r}, want {least} to {COLUMNS[name]:g}")
    return value
