"""New pictures of a folder."""

import os
from pathlib import Path

import pytest
from PIL import Image
from test_arrivals import SHAPE, picture

from ddnn.live.sources.arrivals import Arrivals
from ddnn.live.sources.folder import TRIES, FolderReader


class Looked:
    """A folder, and who looks into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrivals = Arrivals(SHAPE)
        self.reader = FolderReader(folder, 1.0, self.arrivals)
        self.look = self.reader.look

    def put(self, name: str, grey: int, at_s: int) -> None:
        """A whole file, of that time."""
        new = self.folder / ".new.png"
        Image.fromarray(picture(grey)).save(new)
        os.utime(new, (at_s, at_s))
        new.rename(self.folder / name)

    @property
    def greys(self) -> list[int]:
        return [int(arrival.view_CHW[0, 0, 0]) for arrival in self.arrivals._ring]


@pytest.fixture
def looked(tmp_path: Path) -> Looked:
    return Looked(tmp_path)


def test_what_comes_later_is_taken_in_its_order(looked):
    looked.put("old.png", 10, at_s=5)
    looked = Looked(looked.folder)  # what was there before it looked is old
    looked.look()
    assert looked.greys == []
    looked.put("b.png", 30, at_s=7)
    looked.put("c.png", 20, at_s=6)
    (looked.folder / "notes.txt").write_text("none")
    looked.look()
    looked.look()
    assert looked.greys == [20, 30]


@pytest.mark.parametrize(
    ("first_s", "then_s"), [(7, 7), (10_000, 6)], ids=["of one moment", "the clock was set back"]
)
def test_a_file_that_comes_later_is_taken_whatever_its_time(looked, first_s, then_s):
    looked.put("b.png", 30, at_s=first_s)
    looked.look()
    looked.put("a.png", 20, at_s=then_s)
    looked.look()
    looked.look()
    assert looked.greys == [30, 20]


def test_a_file_that_is_not_whole_yet_is_waited_for_but_not_for_ever(looked):
    (looked.folder / "half.png").write_bytes(b"\x89PNG")
    os.utime(looked.folder / "half.png", (6, 6))
    looked.put("next.png", 30, at_s=7)
    for _ in range(TRIES - 1):
        looked.look()
    assert looked.greys == []
    looked.look()
    assert looked.greys == [30]
    assert looked.arrivals.take_events() == {"unreadable": 1}


def test_a_file_that_is_gone_is_forgotten_and_its_name_may_come_again(looked):
    for grey in (20, 30):
        looked.put("latest.png", grey, at_s=7)
        looked.look()
        (looked.folder / "latest.png").unlink()
        looked.look()
    assert looked.greys == [20, 30]
    assert looked.reader._known == set()


def test_what_is_no_file_holds_up_nothing(looked):
    """A pipe, a link to nothing, a folder."""
    os.mkfifo(looked.folder / "a.png")
    (looked.folder / "b.png").symlink_to("nothing")
    (looked.folder / "c.png").mkdir()
    looked.put("d.png", 40, at_s=7)
    looked.look()
    assert looked.greys == [40]
    assert not looked.arrivals.is_lost
    assert not looked.arrivals.take_events()


def test_a_file_that_is_written_again_is_taken_again(looked):
    for grey, at_s in ((40, 7), (50, 8), (60, 6)):
        looked.put("latest.png", grey, at_s=at_s)
        looked.look()
        looked.look()
    assert looked.greys == [40, 50, 60]
