"""Watches a folder for new pictures: PNG and JPEG files, oldest first."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import DataError
from ddnn.live.sources.arrivals import LOST, Arrivals
from ddnn.live.sources.picture import pillow
from ddnn.plainfile import read_plain

SUFFIXES = (".png", ".jpg", ".jpeg")
TRIES = 10
"""Looks at a file that cannot be read, it may not be whole yet, before it is passed over."""
MAX_PIXELS = 50_000_000


_FOREIGN = (OSError, SyntaxError, ValueError, EOFError)
"""What Pillow raises for what is no picture."""


class _File(NamedTuple):
    """In the order in which files come."""

    changed_ns: int
    name: str


class FolderReader(threading.Thread):
    """What is in the folder when it starts is old; what comes later is a picture each.

    Write a file under another name, or elsewhere, and rename it: a file is read once for each name
    and time of change. One that was not there is new whatever its time: a clock that is set back
    hides no file, nor does one that was written before another and renamed after it.
    """

    def __init__(self, folder: Path, every_s: float, arrivals: Arrivals) -> None:
        """every_s: between two looks. Raises ConfigError where Pillow is missing."""
        super().__init__(daemon=True, name="folder")
        pillow()  # said at the start
        self._folder = folder
        self._every_s = every_s
        self._arrivals = arrivals
        self._known = set(self._files())
        self._tried = 0

    def run(self) -> None:
        """For ever."""
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  # whatever it holds, it is looked at again
                why = getattr(error, "strerror", None) or type(error).__name__
                self._arrivals.failed(LOST, f"{self._folder}: {why}")
            time.sleep(self._every_s)

    def look(self) -> None:
        """Takes in the files that are new, up to one that is not whole yet."""
        there = set(self._files())
        self._known &= there  # those that are gone are forgotten
        for file in sorted(there - self._known):
            if not self._take(file):
                return

    def _take(self, file: _File) -> bool:
        """Whether to go on with the next."""
        path = self._folder / file.name
        try:
            self._arrivals.put(Picture(read_plain(path), str(path)).read())
        except FileNotFoundError:
            pass  # gone again: no picture
        except OSError as error:
            self._arrivals.failed("unreadable", f"{path}: {error.strerror}")
        except DataError as error:
            self._tried += 1
            if self._tried < TRIES:
                return False
            self._arrivals.failed("unreadable", str(error))
        self._tried = 0
        self._known.add(file)
        return True

    def _files(self) -> list[_File]:
        with os.scandir(self._folder) as entries:
            named = [e for e in entries if e.name.lower().endswith(SUFFIXES) and e.name[0] != "."]
        return [file for entry in named if (file := _file(entry)) is not None]


def _file(entry: os.DirEntry[str]) -> _File | None:
    """None for what is no file (a pipe, a link to nothing), or has gone since it was listed."""
    try:
        found = entry.stat()
    except OSError:
        return None
    return _File(found.st_mtime_ns, entry.name) if stat.S_ISREG(found.st_mode) else None


class Picture:
    """A PNG or JPEG file's content, of which the header is read."""

    def __init__(self, content: bytes, place: str) -> None:
        """Raises DataError naming the place, ConfigError where Pillow is missing."""
        self._place, pillow_image = place, pillow()
        with _decoding(place):
            self._image = pillow_image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        width, height = self._image.size
        if width * height > MAX_PIXELS:
            raise DataError(f"{place}: {width}x{height} pixels, want at most {MAX_PIXELS} in all")
        self.held_bytes: int = 2 * 3 * width * height
        """What it takes to decode: two copies of its pixels."""

    def read(self) -> NDArray[np.uint8]:
        """(H,W,3). Raises DataError."""
        with _decoding(self._place):
            whole = self._image if self._image.mode == "RGB" else self._image.convert("RGB")
            return np.asarray(whole, dtype=np.uint8)


@contextlib.contextmanager
def _decoding(place: str) -> Iterator[None]:
    """What Pillow raises in it is a DataError."""
    try:
        yield
    except (*_FOREIGN, pillow().DecompressionBombError) as error:
        raise DataError(f"{place}: unreadable, want a PNG or JPEG image") from error
