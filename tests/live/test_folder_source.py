"""New pictures of a folder."""

import os
from pathlib import Path

from PIL import Image
from test_arrivals import SHAPE, picture

from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.folder import TRIES, FolderReader


def put(folder: Path, name: str, grey: int, at_s: int) -> None:
    """A whole file, of that time."""
    Image.fromarray(picture(grey)).save(folder / ".new.png")
    os.utime(folder / ".new.png", (at_s, at_s))
    (folder / ".new.png").rename(folder / name)


def greys(arrivals: Arrivals) -> list[int]:
    return [int(arrival.view_CHW[0, 0, 0]) for arrival in arrivals._ring]


def test_what_comes_later_is_taken_in_its_order(tmp_path):
    put(tmp_path, "old.png", 10, at_s=5)
    arrivals = Arrivals(SHAPE)
    reader = FolderReader(tmp_path, 1.0, arrivals)
    reader.look()
    assert greys(arrivals) == []
    put(tmp_path, "b.png", 30, at_s=7)
    put(tmp_path, "c.png", 20, at_s=6)
    (tmp_path / "notes.txt").write_text("none")
    reader.look()
    reader.look()
    assert greys(arrivals) == [20, 30]


def test_files_of_one_moment_are_all_taken(tmp_path):
    arrivals = Arrivals(SHAPE)
    reader = FolderReader(tmp_path, 1.0, arrivals)
    put(tmp_path, "b.png", 30, at_s=7)
    reader.look()
    put(tmp_path, "a.png", 20, at_s=7)
    reader.look()
    reader.look()
    assert greys(arrivals) == [30, 20]


def test_a_file_that_is_not_whole_yet_is_waited_for_but_not_for_ever(tmp_path):
    arrivals = Arrivals(SHAPE)
    reader = FolderReader(tmp_path, 1.0, arrivals)
    (tmp_path / "half.png").write_bytes(b"\x89PNG")
    os.utime(tmp_path / "half.png", (6, 6))
    put(tmp_path, "next.png", 30, at_s=7)
    for _ in range(TRIES - 1):
        reader.look()
    assert greys(arrivals) == []
    reader.look()
    assert greys(arrivals) == [30]
    assert arrivals.take_events() == {"unreadable": 1}


def test_a_clock_that_is_set_back_hides_no_file(tmp_path):
    arrivals = Arrivals(SHAPE)
    reader = FolderReader(tmp_path, 1.0, arrivals)
    put(tmp_path, "a.png", 20, at_s=10_000)
    reader.look()
    put(tmp_path, "b.png", 30, at_s=6)
    reader.look()
    reader.look()
    assert greys(arrivals) == [20, 30]


def test_a_file_that_is_gone_is_forgotten_and_its_name_may_come_again(tmp_path):
    arrivals = Arrivals(SHAPE)
    reader = FolderReader(tmp_path, 1.0, arrivals)
    for grey in (20, 30):
        put(tmp_path, "latest.png", grey, at_s=7)
        reader.look()
        (tmp_path / "latest.png").unlink()
        reader.look()
    assert greys(arrivals) == [20, 30]
    assert reader._known == set()
