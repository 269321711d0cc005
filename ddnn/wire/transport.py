"""A node's way to the others: encodes, counts, refuses what does not belong.

`Transport` moves bytes and knows nothing of them; `Mailbox` stands before it in every node, in
one process or in many, so that bytes are counted alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ddnn.errors import WireError
from ddnn.wire.codec import Codec, Header
from ddnn.wire.kernel import Traffic
from ddnn.wire.ledger import Ledger
from ddnn.wire.messages import Heartbeat, KernelCount, Message, kind_of

OLD = 2**25
"""A number at most so far behind the last one heard is an old message's; one further behind is a
new one's, after a long silence. With a clock of tenths of milliseconds: 56 minutes."""

Arrived = tuple[bytes, str | None]
"""A message, and by its key who sent it; None where there are no keys."""


class Transport(Protocol):
    """Moves whole messages between named nodes; may lose them, never splits or joins them."""

    def send(self, peer: str, data: bytes) -> bool:
        """Hands over without waiting. False: not taken, nobody there or too much queued."""

    def receive(self, timeout_s: float) -> list[Arrived]:
        """What has arrived; waits at most timeout_s for the first."""

    def close(self) -> None:
        """Gives back every socket; what is not sent is lost."""


class Received(NamedTuple):
    """A message and its sender."""

    sender: str
    message: Message


class Mailbox:
    """Sends and receives messages for one node, and keeps its ledger.

    foreign: who sent messages of another session, and the last one's number. Without keys a
    sender is only who it says it is.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        transport: Transport,
        *,
        epoch: int = 0,
        traffic: Callable[[], Traffic | None] = lambda: None,
        events: Counter[str] | None = None,
        clock: Callable[[], int] = lambda: 0,
    ) -> None:
        """traffic: what the kernel counted so far, None where it does not. events: what the
        transport counts itself. clock: the least number that a message may have now, modulo
        2^32, so that those who remember an earlier run of this node take none for an old one.
        """
        self.name = name
        self.ledger = Ledger(codec)
        if events is not None:
            self.ledger.events = events
        self.foreign: dict[str, int] = {}
        self._codec = codec
        self._transport = transport
        self._epoch = epoch
        self._traffic = traffic
        self._clock = clock
        self._sequences: dict[str, int] = {}
        self._heard: dict[str, tuple[int, int]] = {}

    @property
    def session(self) -> int:
        """Number that all messages carry; others' are refused."""
        return self._codec.session

    def send(self, peer: str, message: Message) -> bool:
        """Sends; False where it was not taken (counted as `unsent`, but for heartbeats)."""
        sequence = self._next_sequence(peer)
        data = self._codec.encode(message, sender=self.name, epoch=self._epoch, sequence=sequence)
        if not self._transport.send(peer, data):
            if not isinstance(message, Heartbeat):
                self.ledger.events["unsent"] += 1
            return False
        self._sequences[peer] = sequence
        self.ledger.count((self.name, peer), message, kind_of(message), data, sent=True)
        return True

    def _next_sequence(self, peer: str) -> int:
        """The later of the clock's number and the one after the last."""
        now = self._clock()
        following = (self._sequences.get(peer, now - 1) + 1) % 2**32
        return now if (now - following) % 2**32 < 2**31 else following

    def receive(self, timeout_s: float) -> list[Received]:
        """The messages that have arrived and may be believed; others are counted by reason."""
        received = []
        for data, peer in self._transport.receive(timeout_s):
            try:
                header, message = self._codec.decode(data, receiver=self.name)
                if peer is not None and peer != header.sender:
                    raise WireError("impersonated", f"{header.sender} by {peer}")
                self._check_order(header)
            except WireError as refused:
                self._refuse(data, peer, refused.reason)
                continue
            self.ledger.count((header.sender, self.name), message, header.kind, data, sent=False)
            received.append(Received(header.sender, message))
        return received

    def _refuse(self, data: bytes, peer: str | None, reason: str) -> None:
        self.ledger.refuse(data, reason)
        found = self._codec.foreign(data) if reason == "session" else None
        if found is not None:
            self.foreign[peer or found[0]] = found[1]

    def _check_order(self, header: Header) -> None:
        """A sender's epochs never fall, its sequence grows within one; both wrap around."""
        heard = self._heard.get(header.sender)
        if heard is not None:
            epochs = (header.epoch - heard[0]) % 2**8
            if epochs >= 2**7:
                raise WireError("old-epoch", f"{header.sender}: {header.epoch}, heard {heard[0]}")
            if epochs == 0 and (heard[1] - header.sequence) % 2**32 < OLD:
                raise WireError("replayed", f"{header.sender}: {header.sequence}, {heard[1]} heard")
        self._heard[header.sender] = (header.epoch, header.sequence)

    def kernel(self) -> KernelCount | None:
        """The ledger's bytes beside the kernel's. They differ while messages are on their way."""
        traffic = self._traffic()
        if traffic is None:
            return None
        return KernelCount(
            connections=traffic.connections,
            unread=traffic.unread,
            sent_zmtp=self.ledger.zmtp(sent=True),
            sent_kernel=traffic.sent,
            received_zmtp=self.ledger.zmtp(sent=False),
            received_kernel=traffic.received,
        )

    def close(self) -> None:
        """Closes the transport."""
        self._transport.close()
