"""The files of a launch, without one."""

import json
from pathlib import Path

import pytest
from builders import star_topology

from ddnn.report.verdicts import Answer
from ddnn.run.launcher.launch_files import LINKS, MEMORY, REPORT, VERDICTS, LaunchFiles

TABLES = {"bytes": {"links": []}, "bundle_sha256": "0"}
NAMES = (VERDICTS, LINKS, MEMORY, REPORT)


def run(folder: Path) -> LaunchFiles:
    files = LaunchFiles(folder)
    files.begin(star_topology())
    files.add(Answer(0, 0, 1, 0.5, 0b111, False, 0.1), 0)
    files.close(dict(TABLES), ((0.0, "cam0", 40.0),))
    return files


def test_all_files_are_there_in_the_end(tmp_path):
    assert run(tmp_path / "deep/out").unwritten == []
    assert sorted(p.name for p in (tmp_path / "deep/out").iterdir()) == sorted(NAMES)
    assert (tmp_path / "deep/out" / VERDICTS).read_text().splitlines()[1] == (
        "0,car,bus,local,0.500000,111,0"
    )


def test_what_an_earlier_launch_left_is_not_taken_for_this_ones(tmp_path):
    run(tmp_path)
    files = LaunchFiles(tmp_path)
    assert not files.has_begun
    files.begin(star_topology())
    assert files.has_begun
    assert [(tmp_path / name).read_text() for name in (LINKS, MEMORY, REPORT)] == [""] * 3
    assert len((tmp_path / VERDICTS).read_text().splitlines()) == 1


def test_files_that_were_closed_to_others_stay_so(tmp_path):
    run(tmp_path)
    for name in NAMES:
        (tmp_path / name).chmod(0o600)
    run(tmp_path)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in NAMES} == {0o600}


@pytest.mark.parametrize("name", NAMES)
def test_one_file_that_cannot_be_written_is_named_and_costs_no_other(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "notes").write_text("")
    files = run(tmp_path)
    (line,) = files.unwritten
    assert line.startswith(f"{tmp_path / name}: ")
    if name != REPORT:
        assert json.loads((tmp_path / REPORT).read_text())["unwritten"] == [line]
    assert all((tmp_path / each).stat().st_size for each in NAMES if each != name)
