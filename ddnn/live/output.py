"""Verdicts as lines of JSON, on standard output or in a file that is rotated.

A thread of its own writes what it gets from a feed: whoever reads slowly, or a full disk, loses
old lines, is told how many, and slows nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ddnn.errors import DdnnError
from ddnn.live.events import Event
from ddnn.live.feed import Feed, Subscription

KEYS = (
    "sample", "time", "class", "name", "entropy", "probability", "exit", "present", "degraded",
    "latency_ms",
)  # fmt: skip
"""Of a line; `label` is there too where the truth is known at once."""
WAITING = 10_000
"""Verdicts that wait for a slow reader."""
RETRY_S = 1.0
"""After a write that the disk refused, the next one."""


def line_of(event: Event) -> str | None:
    """The line of a verdict, or of verdicts that were lost; None for other events."""
    found = item_of(event)
    return None if found is None else json.dumps(found)


def item_of(event: Event) -> dict[str, Any] | None:
    """What the line of an event holds."""
    if event["kind"] == "lost":
        return {"lost": event["count"]}
    if event["kind"] != "verdict":
        return None
    found = {key: event[key] for key in KEYS}  # type: ignore[literal-required]
    if event["label"] is not None:
        found["label"] = event["label"]
    return found


class Output(Protocol):
    """Where lines go."""

    def write(self, text: str) -> None:
        """Whole lines. Raises OSError where they cannot be written; none of them is then there."""


class StandardOutput:
    """Waits as long as its reader does."""

    def write(self, text: str) -> None:
        """See Output. Raises BrokenPipeError where nobody reads any more."""
        rest = memoryview(text.encode())
        while rest:
            rest = rest[os.write(1, rest) :]


class RotatedFile:
    """FILE, and up to `keep` older ones FILE.1 (the latest), FILE.2, ...

    A file that something else rotated, or removed, is made anew. One that another system writes is
    left to it: sample 7 is in both, and each would cut off the other's lines.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        """Raises DdnnError where it cannot be written."""
        self._path, self._max_bytes, self._keep = path, max_bytes, keep
        try:
            self._file = self._open()
        except OSError as error:
            raise DdnnError(f"{path}: cannot be written, {error.strerror}") from error

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        if not _is_ours_alone(file):
            os.close(file)
            raise OSError(errno.EBUSY, "another ddnn serve writes it")
        return file

    def write(self, text: str) -> None:
        """See Output."""
        content = text.encode()
        size = self._ready(len(content))
        written = 0
        try:
            while written < len(content):
                written += os.write(self._file, content[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)  # a line that is there in part is not there
            raise

    def _ready(self, wanted: int) -> int:
        """Opens another file where this one is full, or gone. Returns the file's size."""
        if not self._is_there():
            self._begin_anew()
        size = os.fstat(self._file).st_size
        if size and size + wanted > self._max_bytes:
            self._rotate()
            size = os.fstat(self._file).st_size
        return size

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except OSError:
            return False

    def _rotate(self) -> None:
        names = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, self._keep + 1))]
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)
        if self._keep == 0:
            os.unlink(self._path)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """The one that is open is closed once there is another: a number that was closed is soon
        that of somebody else's file."""
        opened = self._open()
        os.close(self._file)
        self._file = opened

    def close(self) -> None:
        """No more is written."""
        os.close(self._file)


def _is_ours_alone(file: int) -> bool:
    """Whether it is ours alone from now on, as long as it is open. What is no plain file may be
    everybody's, and so may be a file where the system has no locks."""
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


class VerdictLines:
    """Writes the verdicts of a feed until it is closed."""

    def __init__(self, feed: Feed, output: Output, say: Callable[[str], None]) -> None:
        """say: told when lines cannot be written, and when they can again."""
        self._reader: Subscription = feed.subscribe(WAITING)
        self._output = output
        self._say = say
        self._refused = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="verdicts")
        self._thread.start()

    def _run(self) -> None:
        while not self._reader.is_over:
            self._write(self._reader.take(None))
        self._write(self._reader.take())

    def _write(self, events: list[Event]) -> None:
        lines = [line for event in events if (line := line_of(event)) is not None]
        if not lines:
            return
        if self._refused:
            lines.insert(0, json.dumps({"lost": self._refused}))
        try:
            self._output.write("".join(f"{line}\n" for line in lines))
        except OSError as error:
            if not self._refused:
                self._say(f"verdicts: {error.strerror}; lost until they can be written again")
            self._refused += len(lines) - bool(self._refused)
            self._closing.wait(RETRY_S)
            return
        if self._refused:
            self._say(f"verdicts are written again, {self._refused} were lost")
            self._refused = 0

    def close(self, within_s: float = 2.0) -> None:
        """What waits is written, unless the reader is too slow for that."""
        self._closing.set()
        self._reader.close()
        self._thread.join(within_s)
