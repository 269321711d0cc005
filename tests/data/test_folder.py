"""The source `folder`: one's own cameras' images, wrong ones named."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddnn.data import ABSENT, load
from ddnn.errors import DataError

CardWriter = Callable[..., Path]
KEYS: dict[str, Any] = {
    "kind": "folder",
    "path": "street",
    "classes": ["car", "bus"],
    "split": {"by": "sample", "validation": 0.0, "test": 0.5},
}


def save(path: Path, *, grey: int = 100, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, 0, 255 - grey)).save(path)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Two cars and two buses; the second bus is not seen from the left."""
    root = tmp_path / "street"
    for sample, name in enumerate(("car/0001", "car/0002", "bus/0003", "bus/0004")):
        save(root / name / "right.png", grey=10 * sample)
        if sample < 3:
            save(root / name / "left.png", grey=10 * sample + 5)
    return root


def test_missing_image_is_an_absent_view(street: Path, write_card: CardWriter) -> None:
    (street / ".hidden").write_text("passed over")
    data_set = load(write_card(**KEYS))
    assert data_set.view_names == ("left", "right")
    assert data_set.samples.labels_NV.tolist() == [[0, 0], [0, 0], [1, 1], [ABSENT, 1]]
    assert data_set.samples.views_NVCHW.shape == (4, 2, 3, 4, 6)
    assert data_set.samples.views_NVCHW[1, 0, :, 0, 0].tolist() == [15, 0, 240]
    assert not data_set.samples.views_NVCHW[3, 0].any()


@pytest.mark.usefixtures("street")
def test_views_come_in_the_order_of_the_card(write_card: CardWriter) -> None:
    card = write_card(**KEYS, views=["right", "left"])
    assert load(card).samples.labels_NV[3].tolist() == [1, ABSENT]


def test_images_are_resized_if_asked(street: Path, write_card: CardWriter) -> None:
    save(street / "car/0001/left.png", size=(60, 40))
    card = write_card(**KEYS, size=8, channels=1)
    assert load(card).samples.views_NVCHW.shape == (4, 2, 1, 8, 8)


def test_each_view_may_have_a_size_of_its_own(street: Path, write_card: CardWriter) -> None:
    for sample in ("car/0001", "car/0002", "bus/0003"):
        save(street / sample / "left.png", grey=7, size=(9, 5))
    samples = load(write_card(**KEYS)).samples
    assert samples.views.shapes == ((3, 5, 9), (3, 4, 6))
    assert samples.labels_NV[3].tolist() == [ABSENT, 1]
    assert (samples.views.arrays[0][:3, 0] == 7).all()


def test_a_view_of_the_card_has_an_image(street: Path, write_card: CardWriter) -> None:
    with pytest.raises(DataError, match="no image of view 'top' in any sample"):
        load(write_card(**KEYS, views=["left", "right", "top"]))
    assert street.is_dir()


def test_jpeg_is_read(street: Path, write_card: CardWriter) -> None:
    (street / "car/0001/left.png").unlink()
    save(street / "car/0001/left.JPG", grey=200)
    pixel = load(write_card(**KEYS)).samples.views_NVCHW[0, 0, :, 0, 0].astype(int)
    assert np.abs(pixel - [200, 0, 55]).max() < 8


def test_split_by_file_takes_the_folders(tmp_path: Path, write_card: CardWriter) -> None:
    for part in ("train", "test"):
        for name in ("car/a", "car/b", "bus/c"):
            save(tmp_path / "street" / part / name / "left.png")
    card = write_card(**{**KEYS, "split": {"by": "file", "validation": 0.3}})
    split = load(card).split
    assert split.test.tolist() == [3, 4, 5]
    assert len(split.validation) == 1


def test_split_by_frame_takes_the_last_number_of_a_name(
    street: Path, write_card: CardWriter
) -> None:
    (street / "car/0001").rename(street / "car/9_cam_0009")
    split = load(write_card(**{**KEYS, "split": {"by": "frame", "validation": 0, "test": 0.25}}))
    newest = split.samples.labels_NV[split.split.test].tolist()
    assert newest == [[0, 0]]


def broken_png(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def bomb(path: Path) -> None:
    """A PNG that claims 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    checked = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + checked)


def large(path: Path) -> None:
    Image.new("1", (10_000, 6_000)).save(path)


def deep(path: Path) -> None:
    Image.fromarray(np.full((4, 6), 700, np.uint16)).save(path)


def gif(path: Path) -> None:
    Image.new("L", (6, 4)).save(path, format="GIF")


WRONG: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "cut off": (lambda r: broken_png(r / "bus/0003/left.png"), {}, "bus/0003/left.png: unreadable"),
    "text": (
        lambda r: (r / "bus/0003/left.png").write_text("no image"),
        {},
        "bus/0003/left.png: unreadable, want a PNG or JPEG image",
    ),
    "gif": (lambda r: gif(r / "bus/0003/left.png"), {}, "bus/0003/left.png: unreadable"),
    "16 bits": (
        lambda r: deep(r / "bus/0003/left.png"),
        {},
        "bus/0003/left.png: pixels of mode I;16, want 8 bits a channel",
    ),
    "bomb": (lambda r: bomb(r / "bus/0003/left.png"), {}, "bus/0003/left.png: unreadable"),
    "large": (
        lambda r: large(r / "bus/0003/left.png"),
        {},
        "10000x6000 pixels, want at most 50000000",
    ),
    "sizes": (
        lambda r: save(r / "bus/0003/left.png", size=(9, 9)),
        {},
        "bus/0003/left.png: 9x9 pixels, but",
    ),
    "other file": (lambda r: (r / "car/0001/x.txt").touch(), {}, "x.txt: want only .png, .jpg"),
    "twice": (lambda r: save(r / "car/0001/left.jpg"), {}, "view 'left' is there twice"),
    "unknown view": (lambda _: None, {"views": ["left"]}, "right.png: no view of the card"),
    "unknown class": (lambda r: save(r / "tram/1/left.png"), {}, "street/tram: no such class"),
    "empty sample": (lambda r: (r / "car/0009").mkdir(), {}, "car/0009: no image"),
    "no folder": (lambda r: (r / "car/0009").touch(), {}, "car/0009: Not a directory"),
    "no class": (lambda _: None, {"classes": ["car", "bus", "van"]}, "class 'van' has no sample"),
    "no parts": (lambda _: None, {"split": {"by": "file"}}, "split by file, but no folder train"),
    "no number": (
        lambda r: (r / "car/0001").rename(r / "car/first"),
        {"split": {"by": "frame"}},
        "car/first: split by frame, but no number",
    ),
}


@pytest.mark.parametrize(("spoil", "keys", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_content_is_one_line_naming_the_file(
    street: Path,
    write_card: CardWriter,
    spoil: Callable[[Path], object],
    keys: dict[str, Any],
    message: str,
) -> None:
    spoil(street)
    with pytest.raises(DataError) as caught:
        load(write_card(**{**KEYS, **keys}))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
