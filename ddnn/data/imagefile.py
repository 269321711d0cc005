"""Reads image files of others: bounded sizes, every failure a one-line DataError.

Axes: C image channels, H, W.
"""

from __future__ import annotations

import os
import re
import struct
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ddnn.data.source import require
from ddnn.errors import DataError
from ddnn.names import name_of, natural
from ddnn.plainfile import open_plain

SUFFIXES = (".png", ".jpg", ".jpeg")
BILINEAR = 2
"""Of Pillow's `Resampling`: antialiased where an image gets smaller."""
MAX_PIXELS = 50_000_000
"""Of one image file: a camera delivers fewer, a decompression bomb claims more."""

WORKERS = 8
"""That decode images at a time, at most."""
T = TypeVar("T")

ORIENTATION = 0x0112
"""The EXIF tag that says how an image is to be turned, as phones and many cameras write it."""
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""Pillow's `Transpose` by orientation: mirrored, upside down and so on; 1 is upright."""
PASSED_OVER = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin",
     "system volume information", "lost+found")
)  # fmt: skip
"""What systems put into folders unasked, in small letters; also all that begins with a dot."""

_FOREIGN = (OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error, Warning)


def read_image(path: Path, *, channels: int, size: int | None) -> NDArray[np.uint8]:
    """(C,H,W) pixels of a PNG or JPEG file.

    channels: 3 for colour, 1 for grey. size: resized to size x size if given.
    Raises DataError naming the file.
    """
    pillow = require("PIL.Image", "reading images")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of damaged EXIF
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


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, without decoding. Raises DataError naming the file."""
    pillow = require("PIL.Image", "reading images")
    try:
        with open_plain(path) as file, pillow.open(file, formats=("PNG", "JPEG")) as image:
            width, height = image.size
            return width, height
    except (*_FOREIGN, pillow.DecompressionBombError) as error:
        raise DataError(f"{path}: unreadable, want a PNG or JPEG image ({error})") from error


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, as `visible` gives them.

    Raises DataError for anything else in it.
    """
    files = visible(folder)
    for file in files:
        if file.suffix.lower() not in SUFFIXES:
            raise DataError(f"{file}: want only {', '.join(SUFFIXES)} files here")
    return files


def visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted by name, `cam2` before `cam10`.

    Hidden entries, and what systems put there unasked, are passed over. Raises DataError.
    """
    try:
        found = [folder / name for name in os.listdir(folder) if _counts(name)]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror or error}, want a folder") from error
    _check_names(found)
    return sorted(found, key=lambda path: natural(name_of(path)))


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in PASSED_OVER


def _check_names(found: list[Path]) -> None:
    """Raises DataError for names that a line cannot hold, and for two that look the same."""
    seen: dict[str, Path] = {}
    for path in sorted(found):
        name = name_of(path)
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise DataError(f"{str(path)!r}: want a name without control characters, in UTF-8")
        other = seen.setdefault(name, path)
        if other != path:
            raise DataError(
                f"{path}: is there twice, its accents written in two ways ({other.name!a}, "
                f"{path.name!a}), want one"
            )


def decode_all(decode: Callable[[T], None], things: Iterable[T]) -> None:
    """Calls it for each, several at a time; raises what the first that fails raises."""
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as workers:
        for _ in workers.map(decode, things):
            pass


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


def _upright(image: Any) -> Any:
    """The image turned as its EXIF says; as it is where that is damaged or says nothing known."""
    image.load()  # a PNG may say it behind its pixels
    try:
        orientation = image.getexif().get(ORIENTATION)
        turn = TURNS.get(orientation)
    except (*_FOREIGN, KeyError, TypeError, AssertionError):
        turn = None
    return image if turn is None else image.transpose(turn)


def _pixels(image: Any, channels: int, size: int | None) -> NDArray[np.uint8]:
    image = _upright(image)
    converted = image.convert("RGB" if channels == 3 else "L")
    if size is not None:
        converted = converted.resize((size, size), BILINEAR)
    pixels = np.asarray(converted, dtype=np.uint8)
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]
