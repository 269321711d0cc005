"""Opens plain files only: what else stands in a file's place is named and never waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

_KINDS = {
    stat.S_IFDIR: (errno.EISDIR, "a folder"),
    stat.S_IFIFO: (errno.EINVAL, "a pipe"),
    stat.S_IFSOCK: (errno.EINVAL, "a socket"),
    stat.S_IFCHR: (errno.EINVAL, "a device"),
    stat.S_IFBLK: (errno.EINVAL, "a device"),
}
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def open_plain(path: Path) -> IO[bytes]:
    """The file at `path`, to be read.

    Raises OSError whose strerror says what is there in place of a plain file.
    """
    check_plain(path)
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        _check_mode(path, os.fstat(descriptor).st_mode)  # it may have been replaced just now
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, max_bytes: int = -1) -> bytes:
    """The content of the file at `path`, or its first bytes. Raises OSError as `open_plain`."""
    with open_plain(path) as file:
        return file.read(max_bytes)


def check_plain(path: Path) -> None:
    """Raises OSError as `open_plain`."""
    _check_mode(path, path.stat().st_mode)


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        code, kind = _KINDS.get(stat.S_IFMT(mode), (errno.EINVAL, "no file"))
        raise OSError(code, kind, str(path))
