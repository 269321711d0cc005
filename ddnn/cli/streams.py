"""Standard output and error of any encoding: what they cannot hold is replaced, nothing fails.

Files that ddnn writes are UTF-8; what is printed is for a terminal or a pipe of the user's choice.
JSON is printed in ASCII (json's default), so that nothing in it is ever replaced.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from functools import partial

_PLAIN = {"→": ">", "–": "-", "…": ".", "×": "x", "µ": "u", "·": "."}
"""Of what ddnn prints itself: one character each, so that tables stay straight."""
_ASCII = "ddnn_ascii"
_Handler = Callable[[UnicodeError], tuple[str | bytes, int]]


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
