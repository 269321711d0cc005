"""How often each node was started on this host, also beyond the launcher's own life.

The others remember a node's epoch while its host's launcher is started again; a lower one would be
refused as old.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from ddnn.report.files import write_json


class Epochs:
    """Counts starts, from 0 or from what a file says that is neither missing nor damaged."""

    def __init__(self, path: Path | None = None) -> None:
        """path: where the count is kept, None: nowhere."""
        self._path = path
        self._next: dict[str, int] = {}
        if path is None:
            return
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            found = json.loads(path.read_bytes()).items()
            self._next = {str(name): int(count) for name, count in found}

    def start(self, node: str) -> int:
        """The epoch of a start that is about to happen."""
        epoch = self._next.get(node, 0)
        self._next[node] = epoch + 1
        if self._path is not None:
            write_json(self._path, self._next)
        return epoch
