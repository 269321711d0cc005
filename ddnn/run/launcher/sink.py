"""Where a launch puts what it finds."""

from __future__ import annotations

from typing import Any, Protocol

from ddnn.report.verdicts import Answer
from ddnn.run.launcher.launch_files import Memory
from ddnn.topology import Topology


class Sink(Protocol):
    """Takes what a launch finds; see LaunchFiles and Kept. None of it raises."""

    def begin(self, topology: Topology) -> None: ...
    def add(self, answer: Answer, label: int | None) -> None: ...
    def flush(self) -> None: ...
    def write_report(self, report: dict[str, Any]) -> None: ...
    def close(self, report: dict[str, Any], memory: Memory) -> None: ...
