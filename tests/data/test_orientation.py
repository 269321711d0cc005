"""Images are turned as they say, in JPEG and PNG alike, before they are resized."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from ddnn.data import load
from ddnn.data.imagefile import ORIENTATION, read_image

UPRIGHT_HWC = np.kron(
    np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 0, 0], [255] * 3]]),
    np.ones((8, 8, 1)),
).astype(np.uint8)
"""Six fields of 8 x 8 pixels: every turn and mirror gives another picture."""


def as_stored(orientation: int) -> np.ndarray:
    """The pixels of a camera that was held so, written out by hand from the EXIF standard:
    which edge of the scene the first row, and the first column, show."""
    x = UPRIGHT_HWC
    return {
        1: x,  # top, left
        2: x[:, ::-1],  # top, right
        3: x[::-1, ::-1],  # bottom, right
        4: x[::-1],  # bottom, left
        5: x.transpose(1, 0, 2),  # left, top
        6: x.transpose(1, 0, 2)[::-1],  # the first row is the scene's right, its column the top
        7: x.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: x.transpose(1, 0, 2)[:, ::-1],  # left, bottom
    }[orientation]


def save(path: Path, orientation: int, **how: Any) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(np.ascontiguousarray(as_stored(orientation)))
    image.save(path, exif=exif, **how)
    return path


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    how = {"quality": 100, "subsampling": 0} if ending == "jpg" else {}
    path = save(tmp_path / f"x.{ending}", orientation, **how)
    pixels_CHW = read_image(path, channels=3, size=None)
    assert pixels_CHW.shape == (3, 16, 24)
    difference = pixels_CHW.transpose(1, 2, 0).astype(int) - UPRIGHT_HWC
    assert np.abs(difference).max() < (40 if ending == "jpg" else 1)
    with Image.open(path) as image:  # and as Pillow turns it
        assert np.array_equal(ImageOps.exif_transpose(image), pixels_CHW.transpose(1, 2, 0))


@pytest.mark.parametrize(("channels", "size"), [(1, None), (3, 8), (1, 10)])
def test_it_is_turned_before_it_is_resized_and_made_grey(
    tmp_path: Path, channels: int, size: int | None
) -> None:
    turned = save(tmp_path / "turned.png", 6)
    upright = save(tmp_path / "upright.png", 1)
    np.testing.assert_array_equal(
        read_image(turned, channels=channels, size=size),
        read_image(upright, channels=channels, size=size),
    )


def test_a_png_may_say_it_behind_its_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", 3)
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    length = 12 + int.from_bytes(content[start : start + 4], "big")
    chunk, end = content[start : start + length], len(content) - 12
    path.write_bytes(content[:start] + content[start + length : end] + chunk + content[end:])
    np.testing.assert_array_equal(
        read_image(path, channels=3, size=None).transpose(1, 2, 0), UPRIGHT_HWC
    )


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_is_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(UPRIGHT_HWC).save(tmp_path / "x.png", exif=exif)
    assert read_image(tmp_path / "x.png", channels=3, size=None).shape == (3, 16, 24)


@pytest.mark.parametrize("exif", [b"garbage", b"MM\x00\x2a\xff\xff\xff\xff", b"II*\x00\x08\x00"])
def test_damaged_exif_spoils_no_image(tmp_path: Path, exif: bytes) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(UPRIGHT_HWC).save(path)
    content = path.read_bytes()
    body = b"eXIf" + exif
    chunk = len(exif).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(content[:33] + chunk + content[33:])  # behind the header
    assert read_image(path, channels=3, size=None).shape == (3, 16, 24)
    Image.fromarray(UPRIGHT_HWC).save(tmp_path / "x.jpg", exif=b"Exif\x00\x00" + exif)
    assert read_image(tmp_path / "x.jpg", channels=3, size=None).shape == (3, 16, 24)


KINDS = {
    "folder": {"kind": "folder", "channels": 3},
    "tiles": {"kind": "tiles", "images": "ImageFolder", "rows": 1, "columns": 2},
}


@pytest.mark.parametrize("keys", KINDS.values(), ids=KINDS.keys())
def test_every_source_of_images_turns_them(
    tmp_path: Path, write_card: Callable[..., Path], keys: dict[str, Any]
) -> None:
    digests = set()
    for name, orientation in (("upright", 1), ("tagged", 8)):
        for sample in range(4):
            folder = tmp_path / name / ("car", "bus")[sample % 2]
            folder = folder / str(sample) if keys["kind"] == "folder" else folder
            folder.mkdir(parents=True, exist_ok=True)
            save(folder / f"{sample}.png", orientation)
        card = write_card(
            **keys,
            path=name,
            classes=["car", "bus"],
            split={"by": "sample", "validation": 0.25, "test": 0.25},
        )
        digests.add(load(card).digest)
    assert len(digests) == 1
