"""What is said on a host as long as somebody listens: a log's new lines, and who listens."""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, TextIO

LOOK_S = 0.5
"""Between two looks at what was added."""
BEAT_S = 10.0
"""Whoever listens over ssh says so as often."""
QUIET_S = 60.0
"""Nobody listens any more who has said nothing for so long: the link is gone, and nothing tells."""


def tell_lines(
    said: Generator[list[str]], listener: BinaryIO, out: TextIO, quiet_s: float = QUIET_S
) -> None:
    """Writes each list of lines that is not empty as a line of JSON, until the listener ends or is
    silent. said: gives the newest lines, then each time what was added; is closed."""
    heard_s = time.monotonic()
    with contextlib.closing(said):
        _write(out, next(said))
        while time.monotonic() < heard_s + quiet_s:
            if select.select([listener], [], [], LOOK_S)[0]:
                if not os.read(listener.fileno(), 4096):
                    return
                heard_s = time.monotonic()
            if lines := next(said):
                _write(out, lines)


def _write(out: TextIO, lines: list[str]) -> None:
    out.write(json.dumps({"lines": lines}) + "\n")
    out.flush()


def tail(path: Path, before: Path, lines: int) -> Generator[list[str]]:
    """The newest lines of a file and of the one that it was called `before`; then, each time, those
    that were added. A file that has been moved away is read to its end; a line without one waits.
    """
    file, rest = _opened(path), b""
    try:
        kept = deque(_lines(_content(before)), maxlen=lines)
        content = b"" if file is None else file.read()
        whole, _, rest = content.rpartition(b"\n")
        kept.extend(_lines(whole))
        yield list(kept)
        while True:
            is_old = not _is_at(path, file)
            content = rest + (b"" if file is None else file.read())
            whole, _, rest = content.rpartition(b"\n")
            found = _lines(whole)
            if is_old:
                if file is not None:
                    file.close()
                file, rest, found = _opened(path), b"", found + _lines(rest)
            yield found
    finally:
        if file is not None:
            file.close()


def _opened(path: Path) -> BinaryIO | None:
    with contextlib.suppress(OSError):
        return path.open("rb")
    return None


def _content(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


def _lines(content: bytes) -> list[str]:
    return content.decode(errors="replace").splitlines()


def _is_at(path: Path, file: BinaryIO | None) -> bool:
    """Whether the open file is still the one of that name; also, whether there is none yet."""
    try:
        found = path.stat()
    except OSError:
        return True
    if file is None:
        return False
    own = os.fstat(file.fileno())
    return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)
