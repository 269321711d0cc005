"""Verdicts as lines: whole, rotated, and never in the way."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from test_feed import verdict
from waiting import wait_until

from ddnn.errors import DdnnError
from ddnn.live.feed import Feed
from ddnn.live.output import KEYS, WAITING, RotatedFile, VerdictLines, line_of


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_the_documented_keys():
    assert tuple(json.loads(line_of(verdict(7)))) == KEYS
    labelled = verdict(7) | {"label": 1}
    assert json.loads(line_of(labelled))["label"] == 1


def test_verdicts_of_a_feed_are_written_until_the_end(tmp_path):
    feed, path = Feed(), tmp_path / "verdicts.jsonl"
    writer = VerdictLines(feed, RotatedFile(path, max_bytes=10**6, keep=1), lambda _line: None)
    for sample in range(50):
        feed.publish(verdict(sample))
    writer.close()
    assert [line["sample"] for line in lines(path)] == list(range(50))


def test_a_file_that_another_system_writes_is_refused(tmp_path):
    path = tmp_path / "v"
    first = RotatedFile(path, max_bytes=10, keep=1)
    first.write("123456789\n")
    first.write("2\n")  # which is in the next file
    with pytest.raises(DdnnError, match=r"v: cannot be written, another ddnn serve writes it$"):
        RotatedFile(path, max_bytes=10, keep=1)
    first.close()
    RotatedFile(path, max_bytes=10, keep=1).close()


def test_what_is_no_plain_file_may_be_written_by_many():
    files = [RotatedFile(Path(os.devnull), max_bytes=10, keep=1) for _ in range(2)]
    for file in files:
        file.write("1\n")
        file.close()


def test_a_full_file_begins_anew_and_the_oldest_goes(tmp_path):
    path = tmp_path / "v"
    file = RotatedFile(path, max_bytes=10, keep=2)
    for n in range(5):
        file.write(f"line {n}\n")
    file.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v", "v.1", "v.2"]
    assert [(tmp_path / name).read_text() for name in ("v", "v.1", "v.2")] == [
        "line 4\n", "line 3\n", "line 2\n",
    ]  # fmt: skip


def test_a_file_that_somebody_rotated_is_made_anew(tmp_path):
    path = tmp_path / "v"
    file = RotatedFile(path, max_bytes=100, keep=1)
    file.write("a\n")
    path.rename(tmp_path / "elsewhere")
    file.write("b\n")
    assert path.read_text() == "b\n"
    file.close()


def test_a_folder_that_vanishes_is_made_anew_or_costs_lines_and_no_descriptor(tmp_path):
    folder = tmp_path / "out"
    file = RotatedFile(folder / "v", max_bytes=100, keep=1)
    shutil.rmtree(folder)
    file.write("a\n")
    assert (folder / "v").read_text() == "a\n"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    for _ in range(3):
        with pytest.raises(OSError, match=r"File exists|Not a directory"):
            file.write("b\n")
        with (tmp_path / "of others").open("w") as others:  # the number of one that was closed
            with pytest.raises(OSError, match=r"File exists|Not a directory"):
                file.write("c\n")
            others.write("here")
    folder.unlink()
    file.write("d\n")
    assert (folder / "v").read_text() == "d\n"
    file.close()


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DdnnError, match="cannot be written"):
        RotatedFile(tmp_path / "file" / "v", max_bytes=100, keep=1)


def test_a_writer_stands_still_once_the_feed_is_over(tmp_path):
    feed, path = Feed(), tmp_path / "verdicts.jsonl"
    writer = VerdictLines(feed, RotatedFile(path, max_bytes=10**6, keep=1), lambda _line: None)
    feed.publish(verdict(0))
    feed.close()
    wait_until(lambda: "verdicts" not in {thread.name for thread in threading.enumerate()})
    assert [line["sample"] for line in lines(path)] == [0]
    writer.close()


class Disk:
    """Full until it is cleared."""

    def __init__(self) -> None:
        self.is_full = True
        self.written = ""

    def write(self, text: str) -> None:
        if self.is_full:
            raise OSError(28, os.strerror(28))
        self.written += text


def test_what_a_full_disk_refused_is_counted_and_told():
    feed, disk, said = Feed(), Disk(), []
    writer = VerdictLines(feed, disk, said.append)
    feed.publish(verdict(0), verdict(1))
    wait_until(lambda: said)
    assert said == ["verdicts: No space left on device; lost until they can be written again"]
    disk.is_full = False
    feed.publish(verdict(2))
    writer.close()
    first, second = map(json.loads, disk.written.splitlines())
    assert first == {"lost": 2}
    assert second["sample"] == 2
    assert said[1:] == ["verdicts are written again, 2 were lost"]


class Reader:
    """Takes nothing until it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.begun = threading.Event()
        self.written = ""

    def write(self, text: str) -> None:
        self.begun.set()
        self.may.wait(30)
        self.written += text


def test_a_reader_that_stands_still_holds_up_nobody_and_learns_what_it_missed():
    feed, reader = Feed(), Reader()
    writer = VerdictLines(feed, reader, lambda _line: None)
    feed.publish(verdict(0))
    assert reader.begun.wait(30)
    for sample in range(1, WAITING + 101):
        feed.publish(verdict(sample))
    reader.may.set()
    writer.close(30)
    lines = [json.loads(line) for line in reader.written.splitlines()]
    assert lines[0]["sample"] == 0
    assert lines[1] == {"lost": 100}
    assert [line["sample"] for line in lines[2:]] == list(range(101, WAITING + 101))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_disk_that_is_really_full_raises_and_leaves_no_part_of_a_line(tmp_path):
    path = tmp_path / "v"
    path.symlink_to("/dev/full")
    file = RotatedFile(path, max_bytes=100, keep=1)
    with pytest.raises(OSError, match="No space left"):
        file.write("a line\n")
    file.close()
