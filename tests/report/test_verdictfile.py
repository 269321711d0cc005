"""`verdicts.csv` line by line."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.report.verdictfile import MAX_WAITING_BYTES, VerdictFile
from ddnn.report.verdicts import Answer, columns

HEADER = ",".join(columns(()))


def answer(sample: int) -> Answer:
    return Answer(sample, 0, 1, 0.25, 0b01, False, 0.1)


def line(sample: int) -> str:
    return f'{sample},car,"bus, long",local,0.250000,10,0'


def begin(path: Path) -> VerdictFile:
    return VerdictFile(path, exits=("local",), classes=("car", "bus, long"), views=2)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can become longer: what a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(order=st.permutations(range(12)))
def test_lines_are_in_sample_order_whatever_order_the_answers_came_in(tmp_path_factory, order):
    path = tmp_path_factory.mktemp("out") / "verdicts.csv"
    file = begin(path)
    answered: set[int] = set()
    for sample in order:
        file.add(answer(sample), 0)
        answered.add(sample)
        file.flush()
        there = next(n for n in range(13) if n not in answered)
        assert lines(path) == [HEADER, *map(line, range(there))]
    file.close()
    assert lines(path) == [HEADER, *map(line, range(12))]


def test_what_waits_for_a_sample_without_an_answer_is_written_when_it_is_over(tmp_path):
    file = begin(tmp_path / "verdicts.csv")
    for sample in (3, 0, 5):
        file.add(answer(sample), 0)
    file.close()
    assert lines(tmp_path / "verdicts.csv") == [HEADER, *map(line, (0, 3, 5))]
    assert file.lost == 0


def test_a_disk_that_is_full_has_whole_lines_and_the_rest_is_counted(tmp_path):
    path = tmp_path / "verdicts.csv"
    file = begin(path)
    with disk_of(400):
        for sample in range(100):
            file.add(answer(sample), 0)
            file.flush()
        file.close()
    found = lines(path)
    assert found == [HEADER, *map(line, range(len(found) - 1))]
    assert len(found) - 1 + file.lost == 100
    assert 1 < len(found) < 20
    assert file.why == "File too large"


def test_a_disk_that_has_room_again_gets_what_waited(tmp_path):
    path = tmp_path / "verdicts.csv"
    file = begin(path)
    for sample in range(100):
        with disk_of(400):
            file.add(answer(sample), 0)
            file.flush()
    file.close()
    assert (lines(path), file.lost) == ([HEADER, *map(line, range(100))], 0)


def test_what_waits_has_a_bound(tmp_path):
    path = tmp_path / "verdicts.csv"
    file = begin(path)
    total = 2 * MAX_WAITING_BYTES // len(line(0))
    with disk_of(400):
        for sample in range(total):
            file.add(answer(sample), 0)
            if sample % 1000 == 0:
                file.flush()
        file.close()
    assert len(lines(path)) - 1 + file.lost == total


def test_a_file_that_is_removed_meanwhile_is_told(tmp_path):
    file = begin(tmp_path / "verdicts.csv")
    for sample in range(3):
        file.add(answer(sample), 0)
        file.flush()
    (tmp_path / "verdicts.csv").unlink()
    file.close()
    assert (file.lost, file.why) == (3, "moved or removed while it was written")


def a_folder(path: Path) -> None:
    path.mkdir()


def no_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize("put", [a_folder, no_folder])
def test_a_file_that_cannot_be_made_loses_every_line_and_ends_nothing(tmp_path, put):
    path = tmp_path / "out/verdicts.csv"
    path.parent.mkdir()
    put(path)
    file = begin(path)
    file.add(answer(0), 0)
    file.close()
    assert file.lost == 2  # with the header
    assert file.why


def test_neither_a_pipe_nor_a_link_is_written_through(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    for name, put in (("a.csv", os.mkfifo), ("b.csv", lambda path: path.symlink_to(elsewhere))):
        put(tmp_path / name)
        begin(tmp_path / name).close()
        assert lines(tmp_path / name) == [HEADER]
    assert elsewhere.read_text() == "mine"
