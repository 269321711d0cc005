"""A node's way to the others: encodes, counts, refuses what does not belong.

`Transport` moves bytes and knows nothing of them; `Mailbox` stands before it in every node, in
one process or in many, so that bytes are counted alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.header import Header
from ddnn.wire.heard import Heard
from ddnn.wire.kernel import Traffic
from ddnn.wire.ledger import Ledger
from ddnn.wire.messages import KINDS, LOBBY, NO_RUN, Heartbeat, KernelCount, Kind, Message
from ddnn.wire.seals import Seal
from ddnn.wire.silence import Silence

_REPEATED = frozenset({Kind.HEARTBEAT, Kind.HELLO, Kind.ROLL})
"""Kinds of which another follows in any case."""

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

    foreign: who said hello from another bundle, and that one's session. Without keys a sender is
    only who it says it is.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        transport: Transport,
        *,
        boot: int = 0,
        traffic: Callable[[], Traffic | None] = lambda: None,
        events: Counter[str] | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        patience_s: float = 0.3,
        admits: Callable[[bytes, str | None, float], bool] = lambda _data, _peer, _now_s: True,
    ) -> None:
        """boot: 64 random bits, drawn at this start. traffic: what the kernel counted so far,
        None where it does not. events: what the transport counts itself. patience_s: a sender
        that was heard within it has not started anew elsewhere, nor within so much for each
        interval that its heartbeat is good for. admits: see budget.Budget.
        """
        self.name = name
        self.ledger = Ledger(codec)
        if events is not None:
            self.ledger.events = events
        self.foreign: dict[str, int] = {}
        self.run = NO_RUN
        self._codec = codec
        self._transport = transport
        self._boot = boot
        self._traffic = traffic
        self._clock = clock
        self._patience_s = patience_s
        self._admits = admits
        self._run_seal = self._own_seal = codec.lobby
        self._sequences: dict[str, int] = {}
        self._heard: dict[str, Heard] = {}

    @property
    def session(self) -> int:
        """What those of the same bundle say hello with; others are refused."""
        return self._codec.lobby.session

    def join(self, run: int) -> None:
        """From now on takes part in this run: what was counted and heard in another is void."""
        self.run = run
        self._run_seal = self._codec.seal(run)
        self._own_seal = self._run_seal.of(self._boot)
        self._heard = {COLLECTOR: self._newly_heard(run, self._clock())}
        self.ledger.begin()

    def send(self, peer: str, message: Message) -> bool:
        """Sends; False where it was not taken (counted as `unsent`, but for heartbeats)."""
        kind = KINDS[type(message)]
        sequence = self._sequences.get(peer, -1) + 1
        seal = self._seal_for(kind)
        data = self._codec.encode(message, sender=self.name, sequence=sequence, seal=seal)
        if not self._transport.send(peer, data):
            if kind not in _REPEATED:
                self.ledger.events["unsent"] += 1
            return False
        self._sequences[peer] = sequence
        self.ledger.count((self.name, peer), message, kind, data, sent=True)
        return True

    def _seal_for(self, kind: Kind) -> Seal:
        if kind is Kind.HEARTBEAT:
            return self._run_seal
        return self._codec.lobby if kind in LOBBY else self._own_seal

    def receive(self, timeout_s: float) -> list[Received]:
        """The messages that have arrived and may be believed; others are counted by reason."""
        arrived = self._transport.receive(timeout_s)
        if not arrived:
            return []
        now_s = self._clock()
        received = []
        for data, peer in arrived:
            try:
                if not self._admits(data, peer, now_s):
                    raise WireError("over-budget", "more than one sender may have handled")
                header = self._codec.read_header(data)
                sender = header.sender
                if peer is not None and peer != sender:
                    raise WireError("impersonated", f"{sender} by {peer}")
                message = self._opened(header, data, now_s)
            except WireError as refused:
                self.ledger.refuse(data, refused.reason)
                continue
            self.ledger.count((sender, self.name), message, header.kind, data, sent=False)
            received.append(Received(sender, message))
        return received

    def _opened(self, header: Header, data: bytes, now_s: float) -> Message:
        """The message. Raises WireError unless it is whole, new, and of this bundle and run."""
        kind, sender = header.kind, header.sender
        if kind in LOBBY:
            self._check_whole(header, data, self._codec.lobby._replace(session=header.session))
            if header.session != self.session:
                self.foreign[sender] = header.session
                raise WireError("session", f"got {header.session:06x}, want {self.session:06x}")
            return self._codec.decode(header, data, receiver=self.name)
        if header.session != self._run_seal.session:
            raise WireError("other-run", f"{header.session:06x}, not {self._run_seal.session:06x}")
        heard = self._heard.get(sender)
        if kind is Kind.HEARTBEAT:
            self._check_whole(header, data, self._run_seal)
            boot = self._codec.announced_boot(data)
            heard = heard or self._newly_heard(boot, now_s)
        elif heard is None:
            raise WireError("unannounced", f"{sender}: no heartbeat of it in this run")
        else:
            self._check_whole(header, data, heard.seal)
            boot = heard.boot
        message = self._codec.decode(header, data, receiver=self.name)
        before = heard.boot
        heard.take(boot, header.sequence, now_s)
        self._heard[sender] = heard
        if isinstance(message, Heartbeat):
            heard.silence.hold(message.every)
            for name in self._codec.kept[sender] if boot != before else message.gone:
                if name in self._heard:
                    self._heard[name].silence.let_go()
        return message

    def _newly_heard(self, boot: int, now_s: float) -> Heard:
        return Heard(self._run_seal, boot, Silence(self._patience_s, now_s))

    def _check_whole(self, header: Header, data: bytes, seal: Seal) -> None:
        if not self._codec.is_whole(header, data, seal):
            raise WireError("checksum", f"{header.kind.name} of {header.sender}")

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
