"""The body of a HEARTBEAT.

unreached u8, boot u64, every u8, then gone: one bit a node, by its place as a sender, lowest first,
up to the last byte that is not 0. Whoever beats may name those that it keeps, and nobody else.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence, Set

from ddnn.errors import WireError
from ddnn.wire.messages import Heartbeat

_BEAT = struct.Struct("<BQB")


class BeatCodec:
    """Encodes and decodes heartbeats for one topology's names."""

    def __init__(self, names: Sequence[str], kept: Mapping[str, Set[str]]) -> None:
        """kept: by keeper, see routes.kept."""
        self._names = names
        self._place = {name: place for place, name in enumerate(names)}
        self._kept = {keeper: self._bits(names) for keeper, names in kept.items()}

    def encode(self, beat: Heartbeat) -> bytes:
        """More neighbours unreached than 255 are told as 255."""
        body = _BEAT.pack(min(beat.unreached, 0xFF), beat.boot, beat.every)
        if not beat.gone:
            return body
        bits = self._bits(beat.gone)
        return body + bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def decode(self, body: bytes, sender: str) -> Heartbeat:
        """Raises WireError for what cannot be, and where the sender speaks of others' devices."""
        self.boot(body)
        unreached, boot, every = _BEAT.unpack_from(body)
        if not every:
            raise WireError("bad-value", "a next heartbeat within 0 intervals, want at least 1")
        if len(body) == _BEAT.size:
            return Heartbeat(unreached, boot, every)
        if not body[-1]:
            raise WireError("bad-length", f"{len(body)} bytes of heartbeat, of which the last is 0")
        gone = int.from_bytes(body[_BEAT.size :], "little")
        if gone & ~self._kept.get(sender, 0):
            raise WireError("bad-flag", f"{sender} speaks of nodes that it does not keep")
        names = frozenset(name for place, name in enumerate(self._names) if gone >> place & 1)
        return Heartbeat(unreached, boot, every, names)

    @staticmethod
    def boot(body: bytes) -> int:
        """The boot id. Raises WireError for a body that is too short."""
        if len(body) < _BEAT.size:
            raise WireError("bad-length", f"{len(body)} bytes of body, want at least {_BEAT.size}")
        boot: int = _BEAT.unpack_from(body)[1]
        return boot

    def _bits(self, names: Set[str]) -> int:
        return sum(1 << self._place[name] for name in names)
