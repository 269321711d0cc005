"""Names in folders: order of numbers, forms of accents, links, unknown parts, times as frames."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ddnn.data import DataSet, load
from ddnn.data.folder import moment
from ddnn.errors import DataError

CardWriter = Callable[..., Path]
KEYS: dict[str, Any] = {
    "kind": "folder",
    "path": "set",
    "classes": ["car", "bus"],
    "split": {"by": "sample", "validation": 0.0, "test": 0.5},
}
CAFE, CAFE_OF_A_MAC = "caf\u00e9", "cafe\u0301"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def save(path: Path, grey: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), grey).save(path)


def greys(data: DataSet) -> list[int]:
    """Of the first pixel of each sample's first view."""
    return data.samples.views_NVCHW[:, 0, 0, 0, 0].tolist()


def refused(card: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(card)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_views_come_in_the_order_of_their_numbers(root: Path, write_card: CardWriter) -> None:
    for label in ("car", "bus"):
        for view in range(12):
            save(root / label / "s0" / f"cam{view}.png", grey=view)
    data = load(write_card(**KEYS))
    assert data.view_names == tuple(f"cam{view}" for view in range(12))
    assert data.samples.views_NVCHW[0, :, 0, 0, 0].tolist() == list(range(12))


def test_samples_come_in_the_order_of_their_numbers(root: Path, write_card: CardWriter) -> None:
    for sample in range(12):
        save(root / "car" / f"s{sample}" / "left.png", grey=sample)
        save(root / "bus" / f"s{sample}" / "left.png", grey=100 + sample)
    assert greys(load(write_card(**KEYS))) == [*range(12), *range(100, 112)]


def test_files_and_classes_of_tiles_come_in_the_order_of_their_numbers(
    root: Path, write_card: CardWriter
) -> None:
    for label in range(12):
        for file in (2, 10):
            save(root / str(label) / f"{file}.png", grey=10 * label + file)
    data = load(write_card(kind="tiles", images="ImageFolder", path="set", rows=1, columns=1))
    assert data.samples.classes == tuple(map(str, range(12)))
    assert greys(data) == [10 * label + file for label in range(12) for file in (2, 10)]


def test_accents_written_in_either_way_are_the_same(root: Path, write_card: CardWriter) -> None:
    for label, view in ((CAFE_OF_A_MAC, CAFE), ("bus", CAFE_OF_A_MAC)):
        save(root / label / "s0" / f"{view}.png")
    for classes in ([CAFE, "bus"], [CAFE_OF_A_MAC, "bus"]):
        data = load(write_card(**{**KEYS, "classes": classes, "views": [CAFE_OF_A_MAC]}))
        assert data.samples.classes == (CAFE, "bus")
        assert data.view_names == (CAFE,)
        assert not data.samples.absent_NV.any()


def test_the_root_is_found_in_either_form(tmp_path: Path, write_card: CardWriter) -> None:
    for label in ("car", "bus"):
        save(tmp_path / CAFE_OF_A_MAC / label / "s0" / "left.png")
    assert len(load(write_card(**{**KEYS, "path": CAFE})).samples) == 2


TWICE = {
    "class": ("{}/s0/left.png", "is there twice, its accents written in two ways"),
    "sample": ("car/{}/left.png", "is there twice, its accents written in two ways"),
    "view": ("car/s0/{}.png", "is there twice, its accents written in two ways"),
}


@pytest.mark.parametrize(("place", "message"), TWICE.values(), ids=TWICE.keys())
def test_two_names_that_look_the_same_are_refused(
    root: Path, write_card: CardWriter, place: str, message: str
) -> None:
    save(root / "bus/s0/left.png")
    for name in (CAFE, CAFE_OF_A_MAC):
        save(root / place.format(name))
    assert message in refused(write_card(**{**KEYS, "classes": ["car", "bus", CAFE]}))
    classes = ["bus", CAFE, CAFE_OF_A_MAC]
    with pytest.raises(Exception, match="want each class once"):
        load(write_card(**{**KEYS, "classes": classes}))


def test_one_view_in_two_formats_and_forms_is_there_twice(
    root: Path, write_card: CardWriter
) -> None:
    save(root / "car/s0" / f"{CAFE}.png")
    save(root / "car/s0" / f"{CAFE_OF_A_MAC}.jpg")
    assert f"view '{CAFE}' is there twice" in refused(write_card(**KEYS))


def test_left_beside_left_with_a_capital_is_told(root: Path, write_card: CardWriter) -> None:
    save(root / "car/s0/left.png")
    save(root / "bus/s0/Left.png")
    said = refused(write_card(**KEYS))
    assert "view 'left' is 'Left' of" in said
    assert "bus/s0/Left.png but for capital letters, want one name" in said
    assert load(write_card(**KEYS, views=["left", "Left"])).view_names == ("left", "Left")


@pytest.mark.parametrize("name", ["a\nb", "a\x07", os.fsdecode(b"\xff")], ids=ascii)
@pytest.mark.parametrize("place", ["{}/s0/left.png", "car/{}/left.png", "car/s0/{}.png"])
def test_names_that_a_line_cannot_hold_are_refused(
    root: Path, write_card: CardWriter, place: str, name: str
) -> None:
    save(root / place.format(name))
    assert "want a name without control characters, in UTF-8" in refused(write_card(**KEYS))


def test_views_that_a_table_cannot_hold_are_refused(root: Path, write_card: CardWriter) -> None:
    save(root / "car/s0" / f"{'x' * 101}.png")
    assert "want 1 to 100 printable letters" in refused(write_card(**KEYS))


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "Icon\r", "__MACOSX", "@eaDir", ".DS_Store"], ids=ascii
)
def test_what_systems_put_into_folders_is_passed_over(
    root: Path, write_card: CardWriter, name: str
) -> None:
    for label in ("car", "bus"):
        save(root / "train" / label / "s0/left.png")
        save(root / "test" / label / "s0/left.png")
    for folder in (root, root / "train", root / "train/car", root / "train/car/s0"):
        (folder / name).touch()
    card = write_card(**{**KEYS, "split": {"by": "file", "validation": 0}})
    assert len(load(card).samples) == 4


@pytest.mark.parametrize("part", ["val", "valid", "dev", "Validation", "train2", "notes.txt"])
def test_an_unknown_part_is_refused(root: Path, write_card: CardWriter, part: str) -> None:
    for name in ("train", "test", part):
        for label in ("car", "bus"):
            save(root / name / label / "s0/left.png")
    said = refused(write_card(**{**KEYS, "split": {"by": "file"}}))
    assert f"set/{part}: no part of a split by file, want only train, validation, test" in said


@pytest.mark.parametrize("kind", ["folder", "tiles"])
@pytest.mark.parametrize("inside", ["", "car"], ids=["nothing", "an empty class"])
def test_an_empty_part_is_not_taken_for_none(
    root: Path, write_card: CardWriter, kind: str, inside: str
) -> None:
    for name in ("train", "test"):
        for label in ("car", "bus"):
            file = "s0/left.png" if kind == "folder" else "left.png"
            save(root / name / label / file)
    (root / "validation" / inside).mkdir(parents=True)
    keys = {"images": "ImageFolder", "rows": 1, "columns": 1} if kind == "tiles" else {}
    card = write_card(**{**KEYS, **keys, "kind": kind, "split": {"by": "file"}})
    assert "set/validation: no " in refused(card)


def test_parts_with_capitals_alone_are_refused(root: Path, write_card: CardWriter) -> None:
    save(root / "Train/car/s0/left.png")
    said = refused(write_card(**{**KEYS, "split": {"by": "file"}}))
    assert "split by file, but no folder train, validation, test (found: Train)" in said


def test_parts_without_a_split_by_file_are_told_what_they_need(
    root: Path, write_card: CardWriter
) -> None:
    save(root / "train/car/s0/left.png")
    assert "train: no such class, want one of car, bus (a part? it needs `split: {by: file}`)" in (
        refused(write_card(**KEYS))
    )


@pytest.mark.parametrize("place", ["", "car", "car/s0", "car/s0/left.png"], ids=repr)
def test_links_are_followed_everywhere(
    tmp_path: Path, root: Path, write_card: CardWriter, place: str
) -> None:
    save(root / "car/s0/left.png", grey=7)
    save(root / "bus/s0/left.png", grey=8)
    elsewhere = tmp_path / "elsewhere"
    (root / place).rename(elsewhere)
    (root / place).symlink_to(elsewhere)
    assert greys(load(write_card(**KEYS))) == [7, 8]


@pytest.mark.parametrize("place", ["train", "train/car", "train/car/s1", "train/car/s1/left.png"])
def test_a_link_to_nothing_is_named(root: Path, write_card: CardWriter, place: str) -> None:
    for sample in ("train/car/s0", "train/bus/s0", "test/car/s0", "test/bus/s0"):
        save(root / sample / "left.png")
    link = root / place
    link.parent.mkdir(exist_ok=True)
    if link.is_dir():
        link.rename(root.parent / "aside")
    link.symlink_to("nothing")
    said = refused(write_card(**{**KEYS, "split": {"by": "file", "validation": 0}}))
    assert f"set/{place}: " in said
    assert "No such file" in said


MOMENTS = {
    "0012": ["12"],
    "cam1_0012": ["12"],
    "9_cam_0009": ["9"],
    "run7-frame12": ["12"],
    "1698412345333333337": ["1698412345333333337"],
    "9" * 60: ["9" * 60],
    "1700000000.25": ["6800000001/4"],
    "2024-05-01": ["2024", "5", "1"],
    "run 2024-05-01_12-30-05": ["2024", "5", "1", "12", "30", "5"],
    "2024-05-01T12:30:05.5Z": ["2024", "5", "1", "12", "30", "11/2"],
    "20240501_123005": ["20240501", "123005"],
    "Screenshot 2024-05-01 at 12.30.05": ["2024", "5", "1", "12", "30", "5"],
    "1700000000_000000007": ["1700000000", "7"],
    "first": [],
}


@pytest.mark.parametrize(("name", "numbers"), MOMENTS.items(), ids=MOMENTS.keys())
def test_the_last_number_of_a_name_is_its_frame(name: str, numbers: list[str]) -> None:
    assert [str(number) for number in moment(name)] == numbers


FORMS = {
    "plain": "{n:04}",
    "not padded": "frame{n}",
    "nanoseconds": "{t}",
    "beyond 64 bits": "{t}0000000000000",
    "seconds": "{s:.3f}",
    "date and time": "2024-05-01_12-{n:02}-30",
    "compact": "20240501T12{n:02}30",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_the_last_frames_are_tested_on_however_they_are_written(
    root: Path, write_card: CardWriter, form: str
) -> None:
    for n in range(20):
        name = form.format(n=n, t=1698412345000000000 + 333333337 * n, s=1.7e9 + n / 3)
        save(root / ("car", "bus")[n % 2] / name / "left.png", grey=n)
    card = write_card(**{**KEYS, "split": {"by": "frame", "validation": 0, "test": 0.2}})
    data = load(card)
    assert sorted(greys(data)[i] for i in data.split.test) == [16, 17, 18, 19]


def test_frames_of_two_forms_are_refused(root: Path, write_card: CardWriter) -> None:
    save(root / "car/0001/left.png")
    save(root / "bus/2024-05-01/left.png")
    said = refused(write_card(**{**KEYS, "split": {"by": "frame"}}))
    assert "3 numbers at the end of the sample's name, but 1 in '0001'; want names of one" in said


@pytest.mark.parametrize("form", [CAFE, CAFE_OF_A_MAC], ids=ascii)
def test_names_are_read_alike_in_every_locale(
    tmp_path: Path, root: Path, write_card: CardWriter, form: str
) -> None:
    """A locale of ASCII letters alone: Python then reads other file names as it can."""
    for label in (form, "bus"):
        save(root / label / "s0" / f"{form}.png")
    card = write_card(**{**KEYS, "classes": [CAFE, "bus"]}).rename(tmp_path / f"{form}.yaml")
    program = """
import sys
from ddnn.data import load
data = load(sys.argv[1])
print(ascii((data.name, data.samples.classes, data.view_names)), data.digest)
"""
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    found = subprocess.run(
        [sys.executable, "-c", program, card],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ascii_only,
    )
    data = load(card)
    names = (CAFE, (CAFE, "bus"), (CAFE,))
    assert found.stdout.strip() == f"{names!a} {data.digest}"
