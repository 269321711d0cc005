"""Arrays of a data set too large for memory lie in files: mapped, read page by page, and gone with
the process.

`DDNN_IN_MEMORY_MB` says from which size on; by default a quarter of what the process may use, and
1 GB at most: a data set in memory is there twice, whole and in its parts.
Axes: N samples first.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from ddnn.errors import ConfigError, DataError

try:
    import resource

    _LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
except ImportError:  # no Unix
    resource = None  # type: ignore[assignment]

VARIABLE = "DDNN_IN_MEMORY_MB"
MOST_BYTES, SHARE = 1 << 30, 4
SMALL_PART = 64
"""An array of a smaller part of that stays in memory, however large its data set is."""
BLOCK_BYTES = 16 << 20
"""Copied at once."""


def in_memory_bytes() -> int:
    """Larger data sets are mapped. Raises ConfigError for a variable that is no number."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return min(MOST_BYTES, usable_bytes() // SHARE)
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"{VARIABLE}: got {text!r}, want whole megabytes")
    return int(text) << 20


def usable_bytes() -> int:
    """What this process may use: the machine's memory, or less by a limit of its own or its
    control group's."""
    found = [sys.maxsize]
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if resource is not None:
        limits = (resource.getrlimit(kind)[0] for kind in _LIMITS)
        found += [limit for limit in limits if limit != resource.RLIM_INFINITY]
    return min(*found, *cgroup_limits())


def cgroup_limits(root: Path = Path("/")) -> list[int]:
    """Bytes that the control groups of this process may use, those above included; none elsewhere
    than on Linux. root: of the file system."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and "memory" not in controllers.split(","):
            continue
        place = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        group = place / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(place):
                found += _number_in(folder / name)
    return found


def _number_in(file: Path) -> list[int]:
    """None where the file is not there, or says `max`."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return []
    return [int(text)] if text.isdigit() else []


def is_large(size: int, whole_bytes: int = 0) -> bool:
    """Whether an array of so many bytes is mapped: it, or the data set that it is a part of, is
    larger than what is held in memory."""
    limit = in_memory_bytes()
    return size > limit or (whole_bytes > limit and size > limit // SMALL_PART)


def zeros(shape: tuple[int, ...], dtype: DTypeLike, *, whole_bytes: int = 0) -> NDArray[Any]:
    """An array of zeros in memory, or in a file without a name in the cache's folder.

    whole_bytes: of the data set that it is a part of.
    Raises DataError where the disk cannot hold it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not is_large(size, whole_bytes):
        return np.zeros(shape, dtype)
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


def taken(array: NDArray[Any] | Rows, samples: NDArray[np.int64] | slice) -> Any:
    """The samples in this order: of a mapped array, Rows that are read when asked for; else a copy
    (of a slice, a view)."""
    if isinstance(array, Rows):
        return array.rows(samples)
    if isinstance(array, np.memmap) and not isinstance(samples, slice):
        return Rows(array, np.arange(len(array))[samples])
    return array[samples]
