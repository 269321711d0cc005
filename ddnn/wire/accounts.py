"""The body of an ACCOUNT: what a node counted, as records of fixed size.

links u16, events u16, kernel u8 (0 or 1), run u64, then so many _LINK, _EVENT and _KERNEL records
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from ddnn.errors import WireError
from ddnn.wire.messages import Account, KernelCount, Kind, LinkCount

EVENTS = (
    "bad-flag", "bad-length", "bad-route", "bad-value", "busy-slot", "checksum", "crowd",
    "duplicate", "forgotten", "impersonated", "late", "multipart", "not-finite", "other-data",
    "other-run", "over-budget", "replayed", "sender", "session", "stranger", "too-large",
    "unannounced", "unfinished", "unknown-kind", "unsent", "version",
)  # fmt: skip
"""Everything a node counts beside traffic; an ACCOUNT names them by place in this list."""
_COUNTS = struct.Struct("<HHBQ")
_LINK = struct.Struct("<HHBBQQdQQQ")
_EVENT = struct.Struct("<BQ")
_KERNEL = struct.Struct("<IIQQQQ")
_KINDS = frozenset(map(int, Kind))


class AccountCodec:
    """Encodes and decodes accounts for one topology's names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._place = {name: place for place, name in enumerate(names)}

    @staticmethod
    def max_bytes(links: int) -> int:
        """No account of so many links is larger."""
        return _COUNTS.size + links * _LINK.size + len(EVENTS) * _EVENT.size + _KERNEL.size

    @staticmethod
    def wanted_bytes(body: memoryview) -> int:
        """What the body's length must be, as its beginning says."""
        if len(body) < _COUNTS.size:
            return _COUNTS.size
        links, events, kernel, _ = _COUNTS.unpack_from(body)
        records = links * _LINK.size + events * _EVENT.size + flag(kernel) * _KERNEL.size
        return int(_COUNTS.size + records)

    def encode(self, account: Account) -> bytes:
        """The body."""
        kernel = account.kernel
        counts = len(account.links), len(account.events), kernel is not None
        parts = [_COUNTS.pack(*counts, account.run)]
        for c in account.links:
            ends = self._place[c.link[0]], self._place[c.link[1]]
            found = c.messages, c.rows, c.information, c.payload, c.zmtp, c.ip
            parts.append(_LINK.pack(*ends, c.kind, c.sent, *found))
        parts += [_EVENT.pack(EVENTS.index(event), count) for event, count in account.events]
        if kernel is not None:
            parts.append(_KERNEL.pack(*(getattr(kernel, name) for name in KernelCount.__slots__)))
        return b"".join(parts)

    def decode(self, body: memoryview) -> Account:
        """The inverse, for a body of the wanted length. Raises WireError for impossible records."""
        links, events, kernel, run = _COUNTS.unpack_from(body)
        end = _COUNTS.size + links * _LINK.size
        records = _LINK.iter_unpack(body[_COUNTS.size : end])
        counted = _EVENT.iter_unpack(body[end : end + events * _EVENT.size])
        names = KernelCount.__slots__
        return Account(
            tuple(self._link_count(record) for record in records),
            tuple((_event(place), count) for place, count in counted),
            KernelCount(**dict(zip(names, _KERNEL.unpack(body[-_KERNEL.size :]), strict=True)))
            if kernel
            else None,
            run,
        )

    def _link_count(self, record: tuple[int, ...]) -> LinkCount:
        sender, receiver, kind, sent, messages, rows, information, payload, zmtp, ip = record
        if max(sender, receiver) >= len(self._names) or kind not in _KINDS:
            raise WireError("bad-value", f"count of link {sender}-{receiver}, kind {kind}")
        if not np.isfinite(information):
            raise WireError("not-finite", "information of a link")
        return LinkCount(
            link=(self._names[sender], self._names[receiver]), kind=Kind(kind),
            sent=bool(flag(sent)), messages=messages, rows=rows, information=information,
            payload=payload, zmtp=zmtp, ip=ip,
        )  # fmt: skip


def flag(value: int) -> int:
    """0 or 1. Raises WireError for anything else."""
    if value > 1:
        raise WireError("bad-flag", f"got {value}, want 0 or 1")
    return value


def _event(place: int) -> str:
    if place >= len(EVENTS):
        raise WireError("bad-value", f"event {place}, want less than {len(EVENTS)}")
    return EVENTS[place]
