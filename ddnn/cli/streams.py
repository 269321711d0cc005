"""Standard output and error of any encoding: what they cannot hold is replaced, nothing fails.

Files that ddnn writes are UTF-8; what is printed is for a terminal or a pipe of the user's choice.
JSON is printed in ASCII (json's default), so that nothing in it is ever replaced.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, TextIO, cast

_PLAIN = {"→": ">", "–": "-", "…": ".", "×": "x", "µ": "u", "·": "."}
"""Of what ddnn prints itself: one character each, so that tables stay straight."""
_ASCII = "ddnn_ascii"
_Handler = Callable[[UnicodeError], tuple[str | bytes, int]]


class _Losing(io.RawIOBase):
    """A descriptor to which nothing that is written fails."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: Any, /) -> int:
        rest = memoryview(data)
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        return memoryview(data).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def hold_standard_files() -> None:
    """Opens those of standard input, output and error that are closed, on nothing: a file that is
    opened later must not take such a place, and be written to by whoever says something."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def losing(stream: object) -> TextIO | None:
    """Standard error, or what stands for it in a test: what cannot be said (disk full, terminal of
    a session that has ended) is lost, and ends nothing."""
    if stream is not None and type(stream) is not io.TextIOWrapper:  # pytest's is a kind of it
        return cast(TextIO, stream)
    encoding = sys.getfilesystemencoding() if stream is None else stream.encoding
    return io.TextIOWrapper(cast(BinaryIO, _Losing(2)), encoding, write_through=True)


def accept_all(stream: object, *, errors: str) -> None:
    """Lets the stream take any text, in its own encoding.

    errors: `replace` (by ?) or `backslashreplace`, for what has no plain form either.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return  # of a test, or none: a process may have no standard output
    name = f"ddnn_{errors}"
    codecs.register_error(name, partial(_plain, codecs.lookup_error(errors)))
    is_ascii = codecs.lookup(stream.encoding).name == "ascii"
    stream.reconfigure(encoding=_ASCII if is_ascii else stream.encoding, errors=name)


def _plain(rest: _Handler, error: UnicodeError) -> tuple[str | bytes, int]:
    """One character at a time."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1
    found = _PLAIN.get(error.object[error.start])
    return (found, error.end) if found else rest(error)


def _ascii_by_another_name(name: str) -> codecs.CodecInfo | None:
    """click takes a stream named ASCII for a mistake, and writes UTF-8 to it."""
    if name != _ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        encode=known.encode,
        decode=known.decode,
        streamreader=known.streamreader,
        streamwriter=known.streamwriter,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        name=name,
    )


codecs.register(_ascii_by_another_name)
