"""What one node has heard of another in this run: which of its starts, and up to which message.

Each start of a sender numbers its messages from 0, a link each, and a number is believed once. A
start is known by its boot id. Which of two starts is the newer one nothing in a message tells, so
that whoever repeats what an older start said must not push aside the one that speaks now: a boot
id that was never heard is taken only once the sender has been silent for too long, see `silence`.
One that was heard before is never locked out: it goes on where it was.
"""

from __future__ import annotations

from ddnn.errors import WireError
from ddnn.wire.seals import Seal
from ddnn.wire.silence import Silence

STARTS = 64
"""Starts of one sender that are remembered."""


class Heard:
    """One sender.

    boot: of the start that spoke last. seal: what its messages are sealed with. silence: how long
    another start has to wait.
    """

    def __init__(self, run_seal: Seal, boot: int, silence: Silence) -> None:
        self.boot = boot
        self.seal = run_seal.of(boot)
        self.silence = silence
        self._run_seal = run_seal
        self._latest: dict[int, int] = {}  # by boot id, in the order of their last words

    def take(self, boot: int, sequence: int, now_s: float) -> None:
        """A whole message came. Raises WireError for one that was heard before, and for another
        start's while the present one speaks."""
        latest = self._latest.get(boot)
        if latest is None:
            if boot != self.boot and now_s < self.silence.ends_s:
                raise WireError("replayed", f"boot {boot:016x}, while {self.boot:016x} speaks")
        elif (latest - sequence) % 2**32 < 2**31:
            raise WireError("replayed", f"number {sequence}, {latest} heard")
        elif boot != self.boot:
            del self._latest[boot]  # who speaks stands last
        self._latest[boot] = sequence
        if len(self._latest) > STARTS:
            del self._latest[next(iter(self._latest))]
        self.silence.heard(now_s)
        if boot != self.boot:
            self.boot, self.seal = boot, self._run_seal.of(boot)
