"""Which samples a collector asks for next. No I/O.

Half a window at once: few full messages instead of many short ones. Never further than SLOTS past
the oldest in flight: its slot is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ddnn.nodes.base import Outgoing
from ddnn.nodes.gather import SLOTS
from ddnn.nodes.rate import Rate
from ddnn.wire.messages import MAX_ROWS, Capture

MOST_SAMPLE = 2**32 - 1
"""The wire's sample numbers are of 32 bits and begin anew: what is in flight are 256 at most."""


def captures(samples: Sequence[int], devices: Sequence[str]) -> list[Outgoing]:
    """What asks these devices for these samples."""
    outgoing = []
    for start in range(0, len(samples), MAX_ROWS):
        capture = Capture([s & MOST_SAMPLE for s in samples[start : start + MAX_ROWS]])
        outgoing += [Outgoing(device, capture) for device in devices]
    return outgoing


class Asking:
    """Counts samples up to an end, with halts between.

    first: the number of the first. next: of the next to be asked for. end: of the first that is
    not wanted.
    """

    def __init__(
        self,
        *,
        first: int,
        samples: int,
        window: int,
        rate_hz: float | None,
        halts: Sequence[int] = (),
    ) -> None:
        """See Collector."""
        self.first = self.next = first
        self.end = first + samples
        self.window = window
        self._rate = Rate(rate_hz)
        self._halts = sorted(set(halts))

    def stop(self) -> None:
        """What was asked for so far is all that there will be."""
        self.end = self.next
        self._halts = []

    @property
    def halt(self) -> int | None:
        """The sample before which all others are finished, if it is the next one."""
        return self.next if self._halts and self.next == self._halts[0] else None

    def release(self) -> None:
        """Goes on after a halt."""
        del self._halts[0]

    @property
    def is_wanted(self) -> bool:
        """Whether there is one to ask for before the next halt or the end."""
        return self.next < self._stop

    def due_s(self, in_flight: int, oldest: int) -> float:
        """When the next may be asked for though nothing is answered meanwhile."""
        is_full = in_flight >= self.window or self.next >= oldest + SLOTS
        return math.inf if is_full or self.next >= self.end else self._rate.due_s

    def take(self, now_s: float, in_flight: int, oldest: int) -> range:
        """Those to ask for now. oldest: of those in flight, or the next where none is."""
        left = min(self._stop, oldest + SLOTS) - self.next
        count = min(self.window - in_flight, left)
        enough = min(self.window // 2, MAX_ROWS, left)
        if self._rate.is_limited:
            count = enough = min(count, self._rate.due(now_s))
        if count <= 0 or (in_flight and count < enough):
            return range(0)
        self._rate.take(count)
        self.next += count
        return range(self.next - count, self.next)

    @property
    def _stop(self) -> int:
        return self._halts[0] if self._halts else self.end
