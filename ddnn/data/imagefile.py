"""Reads image files of others: bounded sizes, every failure a one-line DataError.

Axes: C image channels, H, W.
"""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.source import require
from ddnn.errors import DataError
from ddnn.plainfile import open_plain

SUFFIXES = (".png", ".jpg", ".jpeg")
BILINEAR = 2
"""Of Pillow's `Resampling`: antialiased where an image gets smaller."""
MAX_PIXELS = 50_000_000
"""Of one image file: a camera delivers fewer, a decompression bomb claims more."""

_FOREIGN = (OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error, Warning)


def read_image(path: Path, *, channels: int, size: int | None) -> NDArray[np.uint8]:
    """(C,H,W) pixels of a PNG or JPEG file.

    channels: 3 for colour, 1 for grey. size: resized to size x size if given.
    Raises DataError naming the file.
    """
    pillow = require("PIL.Image", "reading images")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            with (
                open_plain(path) as file,
                pillow.open(file, formats=("PNG", "JPEG")) as image,
            ):
                _check_size(path, image.size)
                _check_depth(path, image.mode)
                return _pixels(image, channels, size)
    except (*_FOREIGN, pillow.DecompressionBombError) as error:
        what = getattr(error, "strerror", None) or " ".join(str(error).split())
        what = re.sub(r" <_io\..*| '.*'$", "", what)
        raise DataError(f"{path}: unreadable, want a PNG or JPEG image ({what})") from error


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name; hidden files are passed over.

    Raises DataError for anything else in it.
    """
    files = visible(folder)
    for file in files:
        if file.suffix.lower() not in SUFFIXES:
            raise DataError(f"{file}: want only {', '.join(SUFFIXES)} files here")
    return files


def visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted by name, without hidden entries. Raises DataError."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}, want a folder") from error


def resize(image_CHW: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The image at another size, each channel interpolated with antialiasing."""
    pillow = require("PIL.Image", "resizing images")
    return np.stack(
        [
            np.asarray(
                pillow.fromarray(plane).resize((width, height), BILINEAR),
                dtype=np.uint8,
            )
            for plane in image_CHW
        ]
    )


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"{path}: {size[0]}x{size[1]} pixels, want at most {MAX_PIXELS} in all")


def _check_depth(path: Path, mode: str) -> None:
    """More than 8 bits a channel would be cut at white, not scaled."""
    if mode.startswith(("I", "F")):
        raise DataError(f"{path}: pixels of mode {mode}, want 8 bits a channel")


def _pixels(image: Any, channels: int, size: int | None) -> NDArray[np.uint8]:
    converted = image.convert("RGB" if channels == 3 else "L")
    if size is not None:
        converted = converted.resize((size, size), BILINEAR)
    pixels = np.asarray(converted, dtype=np.uint8)
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]
