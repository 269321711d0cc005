"""`verdicts.csv` while the run goes: a line a sample, in their order, as far as they are answered.

What the disk does not take waits, as far as it fits, and is lost after that: never the run.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from ddnn.report.files import mode_for
from ddnn.report.verdicts import Answer, columns, verdict_rows

MAX_WAITING_BYTES = 1 << 20
"""Of lines that the disk does not take; more are lost."""


class VerdictFile:
    """Takes answers in any order. lost: lines that could not be written, and `why` not."""

    def __init__(
        self,
        path: Path,
        *,
        exits: Sequence[str],
        classes: Sequence[str],
        views: int,
        bypassable: Sequence[str] = (),
    ) -> None:
        """Begins the file anew. One that cannot be made loses every line."""
        self.lost = 0
        self.why = ""
        self._path = path
        self._row = verdict_rows(exits, classes, views=views, bypassable=bypassable)
        self._held: dict[int, tuple[object, ...]] = {}
        self._next = self._added = 0
        self._text = StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(columns(bypassable))
        self._file: int | None = None
        self._waiting = (0, b"")
        """From which place of the file on, what is to be written there."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = mode_for(path, 0o666)
            path.unlink(missing_ok=True)  # a pipe, a link: never written through
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            self.why = error.strerror or str(error)
        self.flush()

    def add(self, answer: Answer, label: int) -> None:
        """Holds the line until all before it are there."""
        self._held[answer.sample] = self._row(answer, label)
        self._added += 1
        while self._next in self._held:
            self._writer.writerow(self._held.pop(self._next))
            self._next += 1

    def flush(self) -> None:
        """Writes what the disk takes."""
        text = self._text.getvalue().encode(errors="backslashreplace")
        self._text.seek(0)
        self._text.truncate()
        if self._file is None:
            self.lost += text.count(b"\n")
            return
        begin, waiting = self._waiting
        if len(waiting) + len(text) > MAX_WAITING_BYTES:
            self.lost += text.count(b"\n")
            text = b""
        self._waiting = (begin, waiting + text)
        self._write(self._file)

    def close(self) -> None:
        """Writes the rest, also what waits for samples that are not answered."""
        for sample in sorted(self._held):
            self._writer.writerow(self._held.pop(sample))
        self.flush()
        if self._file is None:
            return
        begin, waiting = self._waiting
        self.lost += waiting.count(b"\n")
        with contextlib.suppress(OSError):
            if waiting:
                os.ftruncate(self._file, begin)  # a line that is there in part is not there
        if not self._is_there(self._file):
            self.lost, self.why = self._added, "moved or removed while it was written"
        os.close(self._file)
        self._file = None

    def _is_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.lstat())
        except OSError:
            return False

    def _write(self, file: int) -> None:
        """Whole lines count as written; the place in the file says how far it came."""
        begin, waiting = self._waiting
        try:
            while waiting:
                count = os.pwrite(file, waiting, begin)
                whole = waiting.rfind(b"\n", 0, count) + 1
                if not whole:  # the system says why with the next byte
                    os.pwrite(file, waiting[count:], begin + count)
                    return
                begin, waiting = self._waiting = begin + whole, waiting[whole:]
        except OSError as error:
            self.why = error.strerror or str(error)
