"""The files of a launch: `verdicts.csv` as it goes, the rest once a minute and at the end.

A disk that is full, or gone, ends no run: what could not be written is in the report and told.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddnn.errors import DdnnError
from ddnn.report.files import write_bytes, write_csv, write_json
from ddnn.report.newest import set_number
from ddnn.report.verdictfile import VerdictFile
from ddnn.report.verdicts import Answer
from ddnn.topology import Topology

VERDICTS, LINKS, MEMORY, REPORT = "verdicts.csv", "links.csv", "memory.csv", "report.json"
LEVELS = ("information", "payload", "zmtp", "ip")
"""The four levels at which bytes are counted; see ddnn.wire.messages.LinkCount."""
LINK_COLUMNS = ("from", "to", "kind", "data", "messages", "rows", *LEVELS)
MEMORY_COLUMNS = ("seconds", "node", "resident_mb")

Memory = tuple[tuple[float, str, float], ...]
"""Seconds since the first sample, node, resident MB."""


class LaunchFiles:
    """Where a launch's results go. unwritten: what could not be, one line each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unwritten: list[str] = []
        self._verdicts: VerdictFile | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is something of this launch in the folder."""
        return self._verdicts is not None

    def begin(self, topology: Topology) -> None:
        """From here on the folder is this launch's: files of an earlier one are empty, and as
        closed to others as they were."""
        for name in (LINKS, MEMORY, REPORT):
            with contextlib.suppress(OSError, DdnnError):
                if os.path.lexists(self.folder / name):
                    write_bytes(self.folder / name, b"")
        self._verdicts = VerdictFile(
            self.folder / VERDICTS,
            exits=tuple(topology.exits),
            classes=topology.classes,
            views=topology.views,
            bypassable=topology.bypassable,
        )

    def add(self, answer: Answer, label: int | None) -> None:
        """One more verdict, of a sample whose label is known."""
        if self._verdicts is not None and label is not None:
            self._verdicts.add(answer, label)

    def flush(self) -> None:
        """What there is can be read from now on."""
        if self._verdicts is not None:
            self._verdicts.flush()

    def close(self, report: dict[str, Any], memory: Memory) -> None:
        """Writes everything; the report, which says what could not be written, is last."""
        self.unwritten = []
        if self._verdicts is not None:
            self._verdicts.close()
            if self._verdicts.lost:
                place = self.folder / VERDICTS
                self.unwritten.append(
                    f"{place}: {self._verdicts.lost} lines not written, {self._verdicts.why}"
                )
        self._try(lambda: write_memory(self.folder, memory))
        self._try(lambda: write_links(self.folder, report))
        if self.unwritten:
            report["unwritten"] = list(self.unwritten)
        self.write_report(report)

    def write_report(self, report: dict[str, Any]) -> None:
        """The report alone: of a run that goes on."""
        set_number(report, self.folder)
        self._try(lambda: write_json(self.folder / REPORT, report))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except DdnnError as error:
            self.unwritten.append(str(error))


def write_tables(folder: Path, report: dict[str, Any], memory: Memory) -> None:
    """`links.csv` and `memory.csv`. Raises DdnnError where one cannot be written."""
    write_memory(folder, memory)
    write_links(folder, report)


def write_memory(folder: Path, memory: Memory) -> None:
    """`memory.csv`. Raises DdnnError where it cannot be written."""
    rows = ((f"{seconds:.1f}", name, f"{mb:.1f}") for seconds, name, mb in memory)
    write_csv(folder / MEMORY, MEMORY_COLUMNS, rows)


def write_links(folder: Path, report: dict[str, Any]) -> None:
    """`links.csv`. Raises DdnnError where it cannot be written."""
    links = report["bytes"]["links"]
    write_csv(folder / LINKS, LINK_COLUMNS, ([e[c] for c in LINK_COLUMNS] for e in links))
