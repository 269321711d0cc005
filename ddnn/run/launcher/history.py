"""What happened while a launch ran, for its report: failures, and what the launch itself could not.

Nothing here raises: a launch that cannot say something, or look after something, goes on.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ddnn.report.tables import failure_line
from ddnn.run.failures.orders import Order
from ddnn.run.launcher.start import Watcher

MAX_ENTRIES = 20_000
"""The first half and the last half of what happened are kept, what was between them is counted."""
MAX_NOTES = 100
"""Different things that went wrong in the launcher itself; each is counted."""

MAX_SAID = 500
"""Lines that `ddnn logs` can be told."""


class History:
    """Entries of `failures` in the report, each with the order that carries it out, and notes."""

    def __init__(
        self, watcher: Watcher, publish: Callable[[dict[str, Any]], None] = lambda _entry: None
    ) -> None:
        """publish: told every entry."""
        self._watcher = watcher
        self._publish = publish
        self._first: list[tuple[dict[str, Any], Order | None]] = []
        self._last: deque[tuple[dict[str, Any], Order | None]] = deque(maxlen=MAX_ENTRIES // 2)
        self._added = 0
        self._said: deque[tuple[str, str]] = deque(maxlen=MAX_SAID)
        self._notes: dict[tuple[str, str], int] = {}

    @property
    def left_out(self) -> int:
        """Entries that are not kept."""
        return self._added - len(self._first) - len(self._last)

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What the launch could not do beside running samples, and how often."""
        return [{"what": w, "said": s, "times": times} for (w, s), times in self._notes.items()]

    @property
    def said(self) -> list[tuple[str, str]]:
        """The newest lines, and when they were said (UTC)."""
        return list(self._said)

    def say(self, line: str) -> None:
        """Tells whoever watches, if anybody can be told."""
        self._said.append((datetime.now(UTC).isoformat(timespec="milliseconds"), line))
        try:
            self._watcher.say(line)
        except Exception as error:  # noqa: BLE001 - a terminal that is gone ends no run
            self._count("display", str(error))

    def progress(self, answered: int) -> None:
        """As `say`: how many samples are answered."""
        try:
            self._watcher.progress(answered)
        except Exception as error:  # noqa: BLE001 - as above
            self._count("display", str(error))

    def add(self, entry: dict[str, Any], order: Order | None = None, *, tell: bool = True) -> None:
        """Something that was done to a node, or that happened to one."""
        self._added += 1
        full = len(self._first) >= MAX_ENTRIES // 2
        (self._last if full else self._first).append((entry, order))
        self.spare("feed", lambda: self._publish(entry))
        if tell:
            self.say(failure_line(entry))

    def spare(self, what: str, do: Callable[[], object]) -> None:
        """Does it; whatever goes wrong is noted, said once, and ends nothing."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 - the one place where the machinery is caught
            self.note(what, str(error) or type(error).__name__)

    def note(self, what: str, said: str) -> None:
        """Something that could not be done and ends nothing: said once, counted."""
        if self._count(what, said) == 1:
            self.say(f"{what}: {said}; the run goes on")

    def _count(self, what: str, said: str) -> int:
        key = (what, said)
        if key in self._notes or len(self._notes) < MAX_NOTES:
            self._notes[key] = self._notes.get(key, 0) + 1
        return self._notes.get(key, 0)

    def entries(self) -> list[dict[str, Any]]:
        """`failures` of the report, by sample; what the run never reached is last."""
        found = [_with_state(*each) for each in (*self._first, *self._last)]
        return sorted(found, key=lambda entry: entry.get("sample", math.inf))


def _with_state(entry: dict[str, Any], order: Order | None) -> dict[str, Any]:
    if order is None or order.is_applied:
        return entry
    return entry | {"applied": False, "reason": order.reason}
