import csv
import json
import os

import pytest

from ddnn.errors import DdnnError
from ddnn.report.files import write_bytes, write_csv, write_json


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"accuracy": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"accuracy": float("nan")})
    assert json.loads(path.read_text()) == {"accuracy": 0.5}
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_what_stands_in_the_way_is_named_and_nothing_is_left(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(DdnnError, match=r"report\.json: cannot be written, "):
        write_bytes(tmp_path / "report.json", b"x")
    (tmp_path / "file").write_text("")
    with pytest.raises(DdnnError, match=r"file/report\.json: cannot be written, "):
        write_bytes(tmp_path / "file" / "report.json", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "report.json"]


def test_cells_with_commas_and_lines_come_back(tmp_path):
    rows = [["a,b", 'say "c"'], ["d\ne", ""]]
    write_csv(tmp_path / "cells.csv", ["one", "two"], rows)
    with (tmp_path / "cells.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["one", "two"], *rows]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Else a loss of power leaves an empty file under it."""
    path, synced = tmp_path / "report.json", []
    sync = os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.append(
            (path.read_bytes(), os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size)
        )

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", note)
    write_bytes(path, b"whole")
    assert synced == [(b"old", path.stat().st_ino, len(b"whole"))]
    assert path.read_bytes() == b"whole"
