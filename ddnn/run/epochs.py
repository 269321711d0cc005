"""How often each node was started on this host, over the launcher's own life.

The others remember a node's epoch while its host's launcher is started again; a lower one would be
refused as old.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from ddnn.report.files import write_json


class Epochs:
    """Counts starts in a file; one that is missing or damaged counts from 0."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            found = json.loads(path.read_text()).items()
            self._next = {str(name): int(count) for name, count in found}

    def start(self, node: str) -> int:
        """The epoch of a start that is about to happen."""
        epoch = self._next.get(node, 0)
        self._next[node] = epoch + 1
        write_json(self._path, self._next)
        return epoch
