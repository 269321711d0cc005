"""What one start of a node says within a run, as its mailbox would put it."""

from __future__ import annotations

from ddnn.wire.codec import Codec
from ddnn.wire.messages import Heartbeat, Hello, Message, Roll

RUN, BOOT = 1, 7


class Speaker:
    """Numbers its messages, from `first`."""

    def __init__(
        self, codec: Codec, name: str, *, run: int = RUN, boot: int = BOOT, first: int = 0
    ) -> None:
        self.boot = boot
        self._codec = codec
        self._name = name
        self._seal = codec.seal(run)
        self._next = first

    def says(self, message: Message) -> bytes:
        """The bytes of its next message."""
        seal = self._seal.of(self.boot)
        if isinstance(message, Hello | Roll):
            seal = self._codec.lobby
        elif isinstance(message, Heartbeat):
            seal = self._seal
        sequence, self._next = self._next, self._next + 1
        return self._codec.encode(message, sender=self._name, sequence=sequence, seal=seal)

    def announces(self) -> bytes:
        """A heartbeat, from which others know it."""
        return self.says(Heartbeat(boot=self.boot))
