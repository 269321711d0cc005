"""What the system refused, in one line: which place, why, and what helps."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile

PREFIX = "ddnn-"
"""Of everything that ddnn puts into the folder for temporary files."""
_NO_FOLDER = "No usable temporary directory"
"""tempfile's words."""
_OF_STREAMS = (errno.ENOSPC, errno.EPIPE, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT)
_FULL = {errno.ENOSPC, errno.EDQUOT}
_SHORT_WRITE = "requested and"
"""numpy's words where the system took fewer bytes than given, and no others."""


def told(error: Exception) -> str:
    """The error as a line; of a full folder for temporary files it says how to take another."""
    text = _os_error(error) if isinstance(error, OSError) else str(error)
    if _NO_FOLDER in text:
        return f"{text}; want one that can be written, TMPDIR says which"
    if _is_full(error) and f"{tempfile.gettempdir()}{os.sep}{PREFIX}" in text:
        return f"{text}; want room in {tempfile.gettempdir()}, or another folder in TMPDIR"
    return text


def _os_error(error: OSError) -> str:
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _, place, reason = error.args[0][0]
        return f"{place}: {reason}"
    reason = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{reason}, want more file descriptors (`ulimit -n`)"
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    return f"standard output: {reason}" if error.errno in _OF_STREAMS else reason


def _is_full(error: BaseException | None) -> bool:
    """Whether a place without room is behind it."""
    while error is not None:
        if isinstance(error, OSError) and (
            error.errno in _FULL or _SHORT_WRITE in str(error) or _has_full_reason(error)
        ):
            return True
        error = error.__cause__
    return False


def _has_full_reason(error: OSError) -> bool:
    return isinstance(error, shutil.Error) and f"Errno {errno.ENOSPC}]" in str(error)
