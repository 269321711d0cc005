"""The files of a live system: its report once a minute, and its tables at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddnn.errors import DdnnError
from ddnn.report.files import write_json
from ddnn.report.newest import set_number
from ddnn.report.verdicts import Answer
from ddnn.run.launcher.launch_files import REPORT, Memory, write_links, write_memory
from ddnn.topology import Topology


class ServeFiles:
    """See one_launch.Sink. A disk that is full ends nothing: what could not be written is in
    `unwritten`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unwritten: list[str] = []

    def until(self, sample: int) -> ServeFiles:
        """For the report of a system that another took the place of, from this sample on."""
        return ServeFiles(self.folder / f"until-{sample}")

    def begin(self, topology: Topology) -> None:
        """The first report comes by itself."""

    def add(self, answer: Answer, label: int | None) -> None:
        """Verdicts go elsewhere."""

    def flush(self) -> None:
        """Nothing waits."""

    def write_report(self, report: dict[str, Any]) -> None:
        """Replaces the one before."""
        set_number(report, self.folder)
        write_json(self.folder / REPORT, report)

    def close(self, report: dict[str, Any], memory: Memory) -> None:
        """Writes everything that can be written."""
        self._try(lambda: write_links(self.folder, report))
        self._try(lambda: write_memory(self.folder, memory))
        if self.unwritten:
            report["unwritten"] = list(self.unwritten)
        self._try(lambda: self.write_report(report))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except DdnnError as error:
            self.unwritten.append(str(error))
