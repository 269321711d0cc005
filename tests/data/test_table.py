"""The source `table`: windows of a CSV or Parquet file, nobody in two parts. R rows."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.data import load
from ddnn.data.multiview import ABSENT, DataSet
from ddnn.data.table import window_starts
from ddnn.errors import ConfigError, DataError

CardWriter = Callable[..., Path]
KEYS: dict[str, Any] = {
    "kind": "table",
    "path": "readings.csv",
    "classes": ["sit", "walk"],
    "views": {"imu": ["ax", "ay"], "mic": ["level"]},
    "label": "activity",
    "subject": "person",
    "session": "take",
    "length": 4,
}


def rows(people: int = 8) -> list[dict[str, Any]]:
    """Ten readings of each activity of each person."""
    return [
        {
            "person": f"p{person}", "take": take, "activity": ("sit", "walk")[take],
            "ax": person + 0.5, "ay": reading, "level": 100 * take + reading,
        }
        for person in range(people)
        for take in range(2)
        for reading in range(10)
    ]  # fmt: skip


def write_csv(folder: Path, table: list[dict[str, Any]]) -> None:
    lines = [",".join(table[0]), *(",".join(map(str, row.values())) for row in table)]
    (folder / "readings.csv").write_text("\n".join(lines) + "\n")


def read(write_card: CardWriter, folder: Path, table: list[dict[str, Any]], **keys: Any) -> DataSet:
    write_csv(folder, table)
    return load(write_card(**KEYS | keys))


def test_windows_are_cut_within_sessions(write_card: CardWriter, tmp_path: Path) -> None:
    data = read(write_card, tmp_path, rows())
    samples = data.samples
    assert samples.view_names == ("imu", "mic")
    assert samples.views.shapes == ((2, 1, 4), (1, 1, 4))
    assert len(samples) == 8 * 2 * 2
    imu, mic = samples.views.arrays
    assert imu[1, :, 0].tolist() == [[0.5] * 4, [4, 5, 6, 7]]
    assert mic[2, 0, 0].tolist() == [100, 101, 102, 103]
    assert samples.fused_labels_N.tolist() == [0, 0, 1, 1] * 8


def test_windows_may_overlap(write_card: CardWriter, tmp_path: Path) -> None:
    samples = read(write_card, tmp_path, rows(), stride=2).samples
    assert len(samples) == 8 * 2 * 4
    assert samples.views.arrays[1][1, 0, 0].tolist() == [2, 3, 4, 5]


def test_by_default_nobody_is_in_two_parts(write_card: CardWriter, tmp_path: Path) -> None:
    data = read(write_card, tmp_path, rows())
    people = [
        {*data.part(name).views.arrays[0][:, 0, 0, 0].tolist()}
        for name in ("train", "validation", "test")
    ]
    assert [len(each) for each in people] == [5, 1, 2]
    assert len(set().union(*people)) == 8


def test_rows_without_a_label_are_left_out(write_card: CardWriter, tmp_path: Path) -> None:
    table = [row | {"activity": ""} if row["ay"] >= 4 else row for row in rows()]
    samples = read(write_card, tmp_path, table).samples
    assert len(samples) == 8 * 2
    assert samples.views.arrays[1].max() == 103


def test_a_view_without_readings_in_a_window_is_absent(
    write_card: CardWriter, tmp_path: Path
) -> None:
    table = rows()
    for row in table[4:8]:
        row["level"] = ""
    samples = read(write_card, tmp_path, table).samples
    assert samples.labels_NV[1].tolist() == [0, ABSENT]
    assert not samples.views.arrays[1][1].any()


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="needs ddnn[tables]")
def test_a_parquet_file_is_read_as_a_csv_file(write_card: CardWriter, tmp_path: Path) -> None:
    import pyarrow  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    wanted = read(write_card, tmp_path, rows())
    parquet.write_table(pyarrow.Table.from_pylist(rows()), tmp_path / "readings.parquet")
    found = load(write_card(**KEYS | {"path": "readings.parquet"}))
    assert found.digest == wanted.digest
    (tmp_path / "readings.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"readings\.parquet: not a Parquet file"):
        load(write_card(**KEYS | {"path": "readings.parquet"}))


WRONG: dict[str, tuple[dict[str, Any], dict[int, dict[str, Any]], str]] = {
    "column": ({"label": "what"}, {}, r"no column 'what' \(found: person, take, activity"),
    "class": ({}, {3: {"activity": "run"}}, "row 4: activity: 'run', want one of sit, walk"),
    "text": ({}, {5: {"ax": "much"}}, "row 6: ax: 'much', want a number"),
    "infinite": ({}, {5: {"ax": "inf"}}, "row 6: ax: 'inf', want a finite number"),
    "gap": ({}, {5: {"ay": ""}}, "row 6: ay: no number, but others in its window"),
    "too long": ({"length": 11}, {}, "no session of 11 rows with one label"),
}


@pytest.mark.parametrize(("keys", "changes", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_by_row_and_column(
    write_card: CardWriter,
    tmp_path: Path,
    keys: dict[str, Any],
    changes: dict[int, dict[str, Any]],
    message: str,
) -> None:
    table = rows()
    for row, change in changes.items():
        table[row] |= change
    with pytest.raises(DataError, match=message):
        read(write_card, tmp_path, table, **keys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column"),
        ("person,take,activity,ax,ay,level\n", "no rows"),
        ("person,take,activity,ax,ay,level\n1,2\n", "line 2: 2 values, want 6"),
        ("person,take,activity,ax,ay,level\n\xff\n", "not a CSV file in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    write_card: CardWriter, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "readings.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        load(write_card(**KEYS))


def test_a_split_by_subject_wants_subjects(write_card: CardWriter, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split by subject: this data set has no subjects"):
        read(write_card, tmp_path, rows(), subject=None)
    with pytest.raises(DataError, match="split by subject: 2 subjects, want more than 2"):
        read(write_card, tmp_path, rows(people=2))


def test_a_missing_table_is_named(write_card: CardWriter) -> None:
    with pytest.raises(ConfigError, match=r"path: no 'readings\.csv' beside the card"):
        load(write_card(**KEYS))


def test_no_window_goes_over_a_change() -> None:
    keys = np.array([[0]] * 5 + [[1]] * 3 + [[0]] * 7)
    assert window_starts(keys, length=3, stride=2).tolist() == [0, 2, 5, 8, 10, 12]
