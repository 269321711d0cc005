"""Source `table`: rows of readings in a CSV or Parquet file, cut into windows.

A row is one instant. Windows never go over the end of a session, of a subject or of a label.
Axes: R rows, N samples (windows), V views, C channels (columns).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.card import TableCard
from ddnn.data.multiview import ABSENT, MultiView
from ddnn.data.source import Source, require, resolve
from ddnn.data.views import Views
from ddnn.errors import DataError
from ddnn.plainfile import open_plain

Columns = dict[str, Sequence[Any]]
"""By column name, a value a row: texts of a CSV file, numbers or texts of a Parquet file."""


def read(card: TableCard, card_file: Path) -> Source:
    """The windows of a table; a view whose readings are all missing in one is absent.

    Raises ConfigError for a missing file or library, DataError naming file, row and column.
    """
    path = resolve(card_file, card.path)
    keys = [name for name in (card.subject, card.session) if name is not None]
    wanted = [*dict.fromkeys([card.label, *keys, *(c for v in card.views.values() for c in v)])]
    columns = _parquet(path, wanted) if path.suffix == ".parquet" else _csv(path, wanted)
    labels_R = _labels(path, card, columns[card.label])
    keys_R = np.stack([labels_R, *(_numbered(columns[name]) for name in keys)], axis=1)
    starts_N = window_starts(keys_R, length=card.length, stride=card.stride or card.length)
    starts_N = starts_N[labels_R[starts_N] != ABSENT]
    if not len(starts_N):
        raise DataError(f"{path}: no session of {card.length} rows with one label, want one")
    arrays, absent_NV = [], np.zeros((len(starts_N), len(card.views)), dtype=bool)
    for v, names in enumerate(card.views.values()):
        readings_RC = np.stack([_numbers(path, name, columns[name]) for name in names], axis=1)
        windows = readings_RC[starts_N[:, None] + np.arange(card.length)]  # N, length, C
        missing = np.isnan(windows)
        absent_NV[:, v] = missing.all(axis=(1, 2))
        _check_whole(path, names, missing & ~absent_NV[:, v, None, None], starts_N)
        windows[absent_NV[:, v]] = 0
        arrays.append(np.ascontiguousarray(windows.transpose(0, 2, 1)[:, :, None, :]))
    labels_N = labels_R[starts_N]
    return Source(
        samples=MultiView(
            views=Views(tuple(arrays)),
            labels_NV=np.where(absent_NV, ABSENT, labels_N[:, None]),
            classes=card.classes,
            labels_N=labels_N,
            view_names=tuple(card.views),
        ),
        subjects_N=keys_R[starts_N, 1] if card.subject is not None else None,
    )


def window_starts(keys_RK: NDArray[np.int64], *, length: int, stride: int) -> NDArray[np.int64]:
    """First rows of all windows in which no key changes; the first begins with each run of rows."""
    changes = np.flatnonzero((keys_RK[1:] != keys_RK[:-1]).any(axis=1)) + 1
    bounds = [0, *changes.tolist(), len(keys_RK)]
    runs = pairwise(bounds)
    starts = [np.arange(first, end - length + 1, stride) for first, end in runs]
    return np.concatenate(starts).astype(np.int64)


def _csv(path: Path, wanted: Sequence[str]) -> Columns:
    """The columns of a file with a line of names on top."""
    try:
        with open_plain(path) as raw:
            lines = (line.decode("utf-8-sig" if not n else "utf-8") for n, line in enumerate(raw))
            reader = csv.reader(lines, strict=True)
            names = [name.strip() for name in next(reader, [])]
            places = [_place(path, names, name) for name in wanted]
            rows = []
            for row in reader:
                if len(row) != len(names):
                    raise DataError(
                        f"{path}: line {reader.line_num}: {len(row)} values, want {len(names)}"
                    )
                rows.append([row[place].strip() for place in places])
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise DataError(f"{path}: no rows, want a line of names and rows of values")
    return dict(zip(wanted, zip(*rows, strict=True), strict=True))


def _parquet(path: Path, wanted: Sequence[str]) -> Columns:
    parquet = require("pyarrow.parquet", "a Parquet file", extra="tables")
    try:
        names = parquet.read_schema(path).names
        for name in wanted:
            _place(path, names, name)
        table = parquet.read_table(path, columns=list(wanted))
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are of these
        raise DataError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from error
    if not len(table):
        raise DataError(f"{path}: no rows, want some")
    return {name: table.column(name).to_pylist() for name in wanted}


def _place(path: Path, names: Sequence[str], name: str) -> int:
    if name not in names:
        raise DataError(f"{path}: no column {name!r} (found: {', '.join(names[:20]) or 'none'})")
    return names.index(name)


def _labels(path: Path, card: TableCard, values: Sequence[Any]) -> NDArray[np.int64]:
    """(R,) class of each row, by name or number; ABSENT where there is none: rows to leave out."""
    known: dict[Any, int] = {"": ABSENT, None: ABSENT}
    for k, name in enumerate(card.classes):
        known |= {str(k): k, k: k}
        known[name] = k
    for row, value in enumerate(values):
        if value not in known:
            raise DataError(
                f"{path}: row {row + 1}: {card.label}: {value!r}, want one of "
                f"{', '.join(card.classes)}, or nothing"
            )
    return np.array([known[value] for value in values], dtype=np.int64)


def _numbered(values: Sequence[Any]) -> NDArray[np.int64]:
    """(R,) equal values as equal numbers, in the order in which they first appear."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _numbers(path: Path, name: str, values: Sequence[Any]) -> NDArray[np.float32]:
    """(R,) readings; NaN where there is none."""
    found = np.full(len(values), np.nan, dtype=np.float32)
    for row, value in enumerate(values):
        if value in (None, ""):
            continue
        try:
            found[row] = number = float(value)
        except (TypeError, ValueError):
            raise DataError(f"{path}: row {row + 1}: {name}: {value!r}, want a number") from None
        if np.isinf(number):
            raise DataError(f"{path}: row {row + 1}: {name}: {value!r}, want a finite number")
    return found


def _check_whole(
    path: Path, names: Sequence[str], missing: NDArray[np.bool_], starts_N: NDArray[np.int64]
) -> None:
    """Raises DataError for a window of which only some readings are there."""
    if missing.any():
        n, row, column = np.argwhere(missing)[0]
        raise DataError(
            f"{path}: row {starts_N[n] + row + 1}: {names[column]}: no number, but others in its "
            "window; want all of a view's readings in a window, or none"
        )
