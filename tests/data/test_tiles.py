"""The source `tiles`: single images cut in rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ddnn.data import load
from ddnn.data.tiles import cut
from ddnn.errors import ConfigError, DataError

CardWriter = Callable[..., Path]
FOLDER: dict[str, Any] = {"kind": "tiles", "images": "ImageFolder", "path": "set"}


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_tiles_laid_out_again_are_the_image(rows: int, columns: int, h: int, w: int) -> None:
    image = np.arange(3 * rows * h * columns * w, dtype=np.uint8).reshape(3, rows * h, -1)
    tiles = cut(image, rows, columns)
    assert tiles.shape == (rows * columns, 3, h, w)
    lines = [np.concatenate(tiles[r * columns :][:columns], axis=2) for r in range(rows)]
    assert (np.concatenate(lines, axis=1) == image).all()


def test_image_that_does_not_divide_is_refused() -> None:
    with pytest.raises(DataError, match="an image of 8x8 pixels does not divide into 3 columns"):
        cut(np.zeros((1, 8, 8), np.uint8), rows=2, columns=3)


def test_digits_need_no_download(write_card: CardWriter) -> None:
    data_set = load(write_card(kind="tiles", images="digits", rows=2, columns=2))
    assert data_set.samples.views_NVCHW.shape == (1797, 4, 1, 4, 4)
    assert data_set.samples.views_NVCHW.max() == 255
    assert data_set.samples.classes == tuple("0123456789")
    assert data_set.view_names == ("tile00", "tile01", "tile10", "tile11")
    many = load(write_card(kind="tiles", images="digits", rows=12, columns=12, size=1, samples=40))
    assert many.view_names[10:14] == ("tile0-10", "tile0-11", "tile1-0", "tile1-1")
    assert not data_set.samples.absent_NV.any()


def test_tiles_are_resized_coloured_and_drawn_by_seed(write_card: CardWriter) -> None:
    keys = {"kind": "tiles", "images": "digits", "rows": 2, "columns": 3, "samples": 200}
    card = write_card(**keys, size=16, channels=3)
    first, again = load(card), load(card)
    assert first.samples.views_NVCHW.shape == (200, 6, 3, 16, 16)
    assert first.digest == again.digest
    assert first.digest != load(write_card(**keys, size=16, channels=3, seed=1)).digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for part, count in (("train", 6), ("test", 2)):
        for grey, name in ((40, "cat"), (200, "dog")):
            (root / part / name).mkdir(parents=True)
            for n in range(count):
                Image.new("RGB", (6, 4), (grey, n, 0)).save(root / part / name / f"{n}.png")
    return root


@pytest.mark.usefixtures("folder")
def test_image_folder_keeps_its_own_split(write_card: CardWriter) -> None:
    card = write_card(**FOLDER, rows=2, columns=3, split={"by": "file", "validation": 0.25})
    data_set = load(card)
    assert data_set.samples.classes == ("cat", "dog")
    assert len(data_set.part("test")) == 4
    assert len(data_set.part("validation")) == 3
    assert data_set.samples.views_NVCHW.shape == (16, 6, 3, 2, 2)


def test_images_of_different_sizes_need_a_size(folder: Path, write_card: CardWriter) -> None:
    Image.new("RGB", (12, 8)).save(folder / "train" / "cat" / "big.png")
    split = {"by": "file"}
    with pytest.raises(DataError, match="want size in the card"):
        load(write_card(**FOLDER, rows=2, columns=3, split=split))
    assert len(load(write_card(**FOLDER, rows=2, columns=3, split=split, size=4)).samples) == 17


def test_images_of_as_many_pixels_in_another_shape_need_a_size_too(
    folder: Path, write_card: CardWriter
) -> None:
    Image.new("RGB", (4, 6)).save(folder / "train" / "cat" / "upright.png")
    with pytest.raises(DataError, match=r"\(3, 6, 4\), the first is \(3, 4, 6\); want size"):
        load(write_card(**FOLDER, rows=2, columns=2, split={"by": "file"}))


def test_tiles_that_join_to_a_huge_image_are_refused_before_it_is_made(
    write_card: CardWriter,
) -> None:
    with pytest.raises(DataError, match="tiles join to 65536x65536 pixels, want sides of 8192"):
        load(write_card(kind="tiles", images="digits", rows=64, columns=64, size=1024))


def test_set_that_is_not_there_says_how_to_get_it(write_card: CardWriter) -> None:
    card = write_card(kind="tiles", images="MNIST", rows=2, columns=2)
    with pytest.raises(ConfigError, match=r"MNIST not in .*, want download: true or a copy"):
        load(card)


def idx(array: np.ndarray) -> bytes:
    """MNIST's file format: two zeros, type, dimensions, sizes, bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def test_torchvision_set_keeps_its_own_split(
    write_card: CardWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "sets" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 30), ("t10k", 10)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.broadcast_to(labels[:, None, None] * 20, (count, 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setenv("DDNN_DATA", str(tmp_path))
    keys = {"kind": "tiles", "images": "MNIST", "path": "sets", "split": {"by": "file"}}
    data_set = load(write_card(**keys, rows=2, columns=2, channels=3))
    assert len(data_set.part("test")) == 10
    assert data_set.samples.views_NVCHW.shape == (40, 4, 3, 14, 14)
    assert (
        data_set.samples.views_NVCHW[:, 0, 0, 0, 0] == data_set.samples.labels_NV[:, 0] * 20
    ).all()


def test_names_must_be_as_many_as_classes(write_card: CardWriter) -> None:
    card = write_card(kind="tiles", images="digits", rows=2, columns=2, classes=["even", "odd"])
    with pytest.raises(DataError, match="classes: 2 names, digits has 10"):
        load(card)
