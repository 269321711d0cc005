"""Arrays too large for memory lie in files: mapped, read page by page, and gone with the process.

`DDNN_IN_MEMORY_MB` says from which size on, 1024 by default.
Axes: N samples first.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from ddnn.errors import ConfigError, DataError

VARIABLE = "DDNN_IN_MEMORY_MB"
DEFAULT_MB = 1024
BLOCK_BYTES = 16 << 20
"""Copied at once."""


def in_memory_bytes() -> int:
    """Larger arrays are mapped. Raises ConfigError for a variable that is no number."""
    text = os.environ.get(VARIABLE, str(DEFAULT_MB))
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"{VARIABLE}: got {text!r}, want whole megabytes")
    return int(text) << 20


def is_large(shape: tuple[int, ...], dtype: DTypeLike, arrays: int = 1) -> bool:
    """Whether so many arrays of about this size are mapped: together they take the memory."""
    return arrays * math.prod(shape) * np.dtype(dtype).itemsize > in_memory_bytes()


def zeros(shape: tuple[int, ...], dtype: DTypeLike, *, arrays: int = 1) -> NDArray[Any]:
    """An array of zeros in memory, or in a file without a name in the cache's folder.

    arrays: see is_large.
    Raises DataError where the disk cannot hold it.
    """
    if not is_large(shape, dtype, arrays):
        return np.zeros(shape, dtype)
    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        with tempfile.TemporaryFile(prefix="ddnn-", dir=_folder()) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is told now
            else:
                file.truncate(size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise DataError(
            f"{size} bytes of views do not fit into {_folder() or tempfile.gettempdir()} "
            f"({error.strerror or error}); $DDNN_CACHE names another place"
        ) from error


def folder() -> Path | None:
    """$DDNN_CACHE, else `ddnn` in $XDG_CACHE_HOME or ~/.cache; None without a home directory."""
    own = os.environ.get("DDNN_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "ddnn"
    except RuntimeError:  # neither HOME nor an entry in /etc/passwd: a container's user, as a rule
        return None


def _folder() -> Path | None:
    """The cache's, where it can be made; None: that for temporary files."""
    found = folder()
    try:
        if found is not None:
            found.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return found


def save(path: Path, array: NDArray[Any] | Rows) -> None:
    """As np.save, a block at a time: takes little memory, and a full disk raises OSError."""
    kind = np.dtype(array.dtype)
    header = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": array.shape}
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, header)
        for rows in block_rows(array):
            file.write(np.ascontiguousarray(array[rows]).data)


def block_rows(array: NDArray[Any] | Rows) -> Iterator[slice]:
    """Samples a few at a time, so that a copy takes little memory."""
    sample = max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)
    step = max(1, BLOCK_BYTES // sample)
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))


class Rows:
    """Some samples of a mapped array, in some order; read when they are asked for."""

    def __init__(self, array: NDArray[Any], rows: NDArray[np.int64]) -> None:
        self._array = array
        self._rows = rows
        self.dtype = array.dtype
        self.shape = (len(rows), *array.shape[1:])
        self.ndim = array.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """A copy of these samples."""
        found: NDArray[Any] = self._array[self._rows[key]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it in memory."""
        return np.asarray(self[:], dtype=dtype)

    def rows(self, samples: NDArray[np.int64] | slice) -> Rows:
        """Some of them."""
        return Rows(self._array, self._rows[samples])


def taken(
    array: NDArray[Any] | Rows, samples: NDArray[np.int64] | slice, *, arrays: int = 1
) -> Any:
    """The samples in this order: a copy (of a slice, a view), or Rows where that would be large.

    arrays: see is_large.
    """
    if isinstance(samples, slice):
        samples_there = len(range(*samples.indices(len(array))))
    else:
        samples_there = len(samples)
    large = is_large((samples_there, *array.shape[1:]), array.dtype, arrays)
    if isinstance(array, Rows):
        return array.rows(samples) if large else array[samples]
    if large and not isinstance(samples, slice) and isinstance(array, np.memmap):
        return Rows(array, np.arange(len(array))[samples])
    return array[samples]
