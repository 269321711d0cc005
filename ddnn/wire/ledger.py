"""Counts what crosses each link: the one place where bytes are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.wire.bits import entropy_bytes, symbol_counts
from ddnn.wire.codec import Codec
from ddnn.wire.header import HEADER, ROWS_AT
from ddnn.wire.messages import DATA, Account, KernelCount, Kind, LinkCount, Message
from ddnn.wire.payloads import filled_count

SEGMENT_BYTES = 1448
"""TCP payload of one Ethernet packet with timestamps: 1500 - 20 IP - 20 TCP - 12 options."""
PENDING_BYTES = 1 << 16
"""Payload whose symbols are counted in one go."""
PACKET_HEADER_BYTES = 52
"""IPv4 20 + TCP 20 + timestamps 12."""


SEAL_BYTES = 33
"""What CURVE adds to a part: its name 8, a nonce 8, a code of authentication 16, flags 1."""


def zmtp_bytes(part_bytes: int) -> int:
    """A part on the wire: 2 bytes of framing up to 255, 9 above (ZMTP 3.1, section 3.2)."""
    return part_bytes + (2 if part_bytes <= 255 else 9)


def ip_bytes(part_bytes: int) -> int:
    """Estimate: the framed part in its own packets; acknowledgements not counted."""
    framed = zmtp_bytes(part_bytes)
    return framed + -(-framed // SEGMENT_BYTES) * PACKET_HEADER_BYTES


def _total(parts: Mapping[int, int], cost: Callable[[int], int]) -> int:
    return sum(count * cost(size) for size, count in parts.items())


@dataclass(slots=True)
class _Tally:
    parts: Counter[int] = field(default_factory=Counter)  # how many, by size
    rows: int = 0
    payload: int = 0
    symbols: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    symbol_bits: int = 8
    padding: int = 0  # symbols that fill up each row
    pending: bytearray = field(default_factory=bytearray)

    def total(self, cost: Callable[[int], int]) -> int:
        """Sum over all parts of what one of its size costs."""
        return _total(self.parts, cost)

    def settle(self) -> None:
        """Counts the symbols of what is pending: many messages at once cost what one would."""
        payload = np.frombuffer(bytes(self.pending), np.uint8)
        counts = symbol_counts(payload[None], self.symbol_bits)
        self.symbols[: len(counts)] += counts
        self.pending.clear()

    def information(self) -> float:
        """Bytes of an ideal order-0 code of all symbols but the padding, which is zeros."""
        self.settle()
        symbols = self.symbols.copy()
        symbols[0] -= self.rows * self.padding
        return entropy_bytes(symbols)


class Ledger:
    """What one node sent, received and refused in the run that it takes part in."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._head_bytes = codec.head_bytes
        self._seal_bytes = SEAL_BYTES if codec.is_sealed else 0
        self._tallies: dict[tuple[tuple[str, str], Kind, bool], _Tally] = {}
        self._refused_zmtp = 0
        self._past_zmtp = {True: 0, False: 0}  # of runs before, sent and received
        self.events: Counter[str] = Counter()

    def begin(self) -> None:
        """A new run: counts anew. What `zmtp` says goes on, as the kernel's count does."""
        self._past_zmtp = {sent: self.zmtp(sent=sent) for sent in (True, False)}
        self._refused_zmtp = 0
        self._tallies.clear()
        self.events.clear()

    def count(
        self, link: tuple[str, str], message: Message, kind: Kind, data: bytes, *, sent: bool
    ) -> None:
        """Adds one message that crossed `link`, as sender or as receiver."""
        key = (link, kind, sent)
        tally = self._tallies.get(key)
        if tally is None:
            found = self._codec.payloads.symbols(kind, link[0]) if kind in DATA else (8, 0)
            tally = self._tallies[key] = _Tally(symbol_bits=found[0], padding=found[1])
        tally.parts[len(data) + self._seal_bytes] += 1
        if kind in DATA:
            self._count_payload(tally, message, data)
        else:
            tally.rows += data[ROWS_AT]

    def _count_payload(self, tally: _Tally, message: Any, data: bytes) -> None:
        """Scores and features are the end of the message, after samples and presence."""
        payload = data[HEADER.size + data[ROWS_AT] * self._head_bytes :]
        tally.rows += filled_count(message.views_N)
        tally.payload += len(payload)
        tally.pending += payload
        if len(tally.pending) >= PENDING_BYTES:
            tally.settle()

    def refuse(self, data: bytes, reason: str) -> None:
        """Adds one message that arrived and is not believed."""
        self.events[reason] += 1
        self._refused_zmtp += zmtp_bytes(len(data) + self._seal_bytes)

    def zmtp(self, *, sent: bool) -> int:
        """Bytes of all messages with their framing since the node's start, sent or received,
        refused ones included."""
        found = (tally for key, tally in self._tallies.items() if key[2] == sent)
        counted = self._past_zmtp[sent] + sum(tally.total(zmtp_bytes) for tally in found)
        return counted + (0 if sent else self._refused_zmtp)

    def counts(self) -> list[LinkCount]:
        """As in `account`, but for `information`, which takes time. Any thread may ask."""
        return [
            LinkCount(
                link=link, kind=kind, sent=sent, messages=sum(parts.values()), rows=t.rows,
                payload=t.payload, zmtp=_total(parts, zmtp_bytes), ip=_total(parts, ip_bytes),
            )
            for (link, kind, sent), t in list(self._tallies.items())
            for parts in (dict(t.parts),)
        ]  # fmt: skip

    def account(self, kernel: KernelCount | None = None, *, run: int = 0) -> Account:
        """All counts of the run, as the message that carries them."""
        links = tuple(
            LinkCount(
                link=link, kind=kind, sent=sent, messages=t.parts.total(), rows=t.rows,
                information=t.information(), payload=t.payload,
                zmtp=t.total(zmtp_bytes), ip=t.total(ip_bytes),
            )
            for (link, kind, sent), t in self._tallies.items()
        )  # fmt: skip
        return Account(links, tuple(sorted(self.events.items())), kernel, run)
