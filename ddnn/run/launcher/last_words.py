"""What launches said up to their end, for who follows them."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Collection
from typing import Any

from ddnn.run.launcher.control import LAST, LAST_S, connections, control_folder, read_line


class LastWords:
    """What launches say of themselves when they end, asked for while they run."""

    def __init__(self) -> None:
        self._waiting: dict[int, socket.socket] = {}

    def ask(self, pids: Collection[int]) -> None:
        """Of these, those that were not asked before."""
        new = set(pids) - self._waiting.keys()
        if not new:
            return
        with connections(control_folder()) as found:
            for pid in new & found.keys():
                with contextlib.suppress(OSError):
                    found[pid][0].sendall(LAST)
                    self._waiting[pid] = found[pid][0].dup()
                    self._waiting[pid].settimeout(LAST_S)

    def of(self, pid: int) -> dict[str, Any] | None:
        """Of one that has ended; None: it was killed."""
        connection = self._waiting.pop(pid, None)
        if connection is None:
            return None
        with connection, contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return dict(json.loads(read_line(connection))["about"])
        return None
