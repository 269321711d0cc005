"""Opens .npz and .npy files without trusting them: no pickles, bounded sizes, plain errors."""

from __future__ import annotations

import math
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ddnn.data.storage import BLOCK_BYTES, is_large, zeros
from ddnn.errors import DataError
from ddnn.plainfile import open_plain

MAX_UNPACKED_BYTES = 8 << 30
"""Of one array once unpacked. A small file can claim far more than a machine holds."""

MAX_RATIO = 100
"""Times that an array may grow: camera images do not halve, a bomb grows a thousandfold."""
FREE_BYTES = 256 << 20
"""Up to which it may grow as it likes: few black images."""
_LENGTHS_AT = 26
"""Where the lengths of name and extra field stand in a zip file's local header of 30 bytes."""

_FOREIGN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_FOREIGN_ALL = (  # of zipfile, numpy
    *_FOREIGN, NotImplementedError, RuntimeError, MemoryError, OverflowError, TypeError,
)  # fmt: skip


def unpacked_bytes(path: Path) -> int:
    """Of all arrays of an archive. Raises DataError as `array_names` does."""
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            return sum(each.file_size for each in archive.infolist())
    except _FOREIGN_ALL as error:
        raise DataError(f"{path}: not an npz archive ({_one_line(error)})") from error


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an archive. Raises DataError if it is none."""
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except _FOREIGN_ALL as error:
        raise DataError(f"{path}: not an npz archive ({_one_line(error)})") from error


def read_array(path: Path, name: str) -> NDArray[Any]:
    """One array of an archive.

    A large one that lies there unpacked (np.savez) is mapped, read-only; one that is packed is
    unpacked into a file.
    Raises DataError naming the file and the array where it is missing, pickled, damaged
    or larger than MAX_UNPACKED_BYTES.
    """
    names = array_names(path)
    if name not in names:
        raise DataError(f"{path}: no array {name!r} (found: {', '.join(names) or 'none'})")
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            info = archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.namelist() else name)
            whole_bytes = sum(each.file_size for each in archive.infolist())
            large = is_large(info.file_size, whole_bytes)
            if large and info.compress_type == zipfile.ZIP_STORED:
                return _mapped(path, file, info)
            with archive.open(info) as member:
                read = _unpacked if large else _read_checked
                return read(member, info.file_size, info.compress_size)
    except _FOREIGN_ALL as error:
        raise DataError(f"{path}: {name}: {_one_line(error) or type(error).__name__}") from error


def read_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file. Raises DataError as `read_array` does."""
    try:
        with open_plain(path) as file:
            size = path.stat().st_size
            return _read_checked(file, size, size)
    except _FOREIGN_ALL as error:
        raise DataError(f"{path}: {_one_line(error) or type(error).__name__}") from error


def _mapped(path: Path, file: IO[bytes], info: zipfile.ZipInfo) -> NDArray[Any]:
    """A large array that lies in the archive as it is: read-only, page by page."""
    file.seek(info.header_offset + _LENGTHS_AT)
    name, extra = struct.unpack("<HH", file.read(4))
    start = file.seek(name + extra, os.SEEK_CUR)
    shape, fortran, dtype = _read_header(file)
    claimed, held = math.prod(shape) * dtype.itemsize, start + info.file_size - file.tell()
    if claimed != held:
        raise ValueError(f"{dtype} {shape} needs {claimed} bytes, there are {held}")
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.memmap(path, dtype, "r", offset=file.tell(), shape=shape, order=order)


def _read_checked(file: IO[bytes], size: int, packed: int) -> NDArray[Any]:
    _check_header(file, size, packed)
    file.seek(0)
    array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


def _unpacked(file: IO[bytes], size: int, packed: int) -> NDArray[Any]:
    """A large array into a file, a block at a time; one in Fortran's order by way of memory."""
    _check_header(file, size, packed)
    file.seek(0)
    shape, fortran, dtype = _read_header(file)
    if fortran or dtype.byteorder not in "=|<":
        return _read_checked(file, size, packed)
    array = zeros(shape, dtype, whole_bytes=sys.maxsize)
    values = array.reshape(-1).view(np.uint8)
    done = 0
    while block := file.read(BLOCK_BYTES):
        values[done : done + len(block)] = np.frombuffer(block, np.uint8)
        done += len(block)
    return array


def _check_header(file: IO[bytes], size: int, packed: int) -> None:
    """Compares what an array claims to be with what its file holds, before memory is taken."""
    shape, _, dtype = _read_header(file)
    claimed, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed > MAX_UNPACKED_BYTES:
        raise ValueError(f"unpacks to {claimed} bytes, want at most {MAX_UNPACKED_BYTES}")
    if claimed > max(MAX_RATIO * packed, FREE_BYTES):
        raise ValueError(
            f"unpacks to {claimed} bytes, more than {MAX_RATIO} times the {packed} of the archive, "
            "want at most that, or it stored unpacked (np.savez)"
        )
    if claimed != held:
        raise ValueError(f"{dtype} {shape} needs {claimed} bytes, there are {held}")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it lies in Fortran's order, type."""
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy format {version}, want 1.0 or 2.0")
    if dtype.hasobject:
        raise ValueError("holds pickled objects, want plain numbers (pickles are never read)")
    return shape, fortran, dtype


def _one_line(error: BaseException) -> str:
    what = error.strerror if isinstance(error, OSError) else None
    return " ".join(str(what or error).split())


def as_integers(array: NDArray[Any], *, shape: tuple[int, ...], place: str) -> NDArray[np.int64]:
    """The array as int64. Raises DataError for another kind of number or another shape."""
    if array.dtype.kind not in "iu":
        raise DataError(f"{place}: {array.dtype}, want integers")
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise DataError(f"{place}: got {int(array.max())}, want at most {np.iinfo(np.int64).max}")
    if array.shape != shape:
        raise DataError(f"{place}: shape {array.shape}, want {shape}")
    return array.astype(np.int64)
