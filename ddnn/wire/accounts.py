"""The body of an ACCOUNT: what a node counted, as records of fixed size.

A node may lie about its own links. It may not speak of others', nor say numbers that no traffic
can have, with which sums would no longer be finite.

links u16, events u16, kernel u8 (0 or 1), run u64, then so many _LINK, _EVENT and _KERNEL records
"""

from __future__ import annotations

import struct
from collections.abc import Sequence, Set
from dataclasses import asdict

import numpy as np

from ddnn.errors import WireError
from ddnn.wire.messages import MAX_ROWS, Account, KernelCount, Kind, LinkCount
from ddnn.wire.routes import Route

EVENTS = (
    "bad-flag", "bad-length", "bad-route", "bad-value", "black", "busy-slot", "checksum", "crowd",
    "duplicate", "forgotten", "frozen", "impersonated", "late", "lost-camera", "multipart",
    "no-view", "not-finite", "other-data", "other-run", "over-budget", "replayed", "scores-00",
    "scores-01", "scores-02", "scores-03", "scores-04", "scores-05", "scores-06", "scores-07",
    "scores-08", "scores-09", "scores-10", "scores-11", "scores-12", "scores-13", "scores-14",
    "scores-15", "sender", "session", "stranger", "too-large", "unannounced", "unfinished",
    "unknown-kind", "unreadable", "unsent", "version",
)  # fmt: skip
"""Everything a node counts beside traffic; an ACCOUNT names them by place in this list. scores-K:
what the scores of some of its batches look like, see ddnn.decision.score_counts."""
SCORES = "scores-"
MOST = 2**53
"""No number in an account is larger: 9 petabytes, and whole in JSON and in sums of floats."""
ROUNDING = 1e-9
_COUNTS = struct.Struct("<HHBQ")
_LINK = struct.Struct("<HHBBQQdQQQ")
_EVENT = struct.Struct("<BQ")
_KERNEL = struct.Struct("<IIQQQQ")
_KINDS = frozenset(map(int, Kind))


class AccountCodec:
    """Encodes and decodes accounts for one topology's names."""

    def __init__(self, names: Sequence[str], routes: Set[Route]) -> None:
        self._names = names
        self._routes = routes
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

    def decode(self, body: memoryview, sender: str) -> Account:
        """The inverse, for a body of the wanted length. Raises WireError for impossible records,
        and for those that are not the sender's to say."""
        links, events, kernel, run = _COUNTS.unpack_from(body)
        end = _COUNTS.size + links * _LINK.size
        records = _LINK.iter_unpack(body[_COUNTS.size : end])
        counted = _EVENT.iter_unpack(body[end : end + events * _EVENT.size])
        names = KernelCount.__slots__
        account = Account(
            tuple(self._link_count(record) for record in records),
            tuple((_event(place), count) for place, count in counted),
            KernelCount(**dict(zip(names, _KERNEL.unpack(body[-_KERNEL.size :]), strict=True)))
            if kernel
            else None,
            run,
        )
        self._check(account, sender)
        return account

    def _check(self, account: Account, sender: str) -> None:
        """Raises WireError unless each record may be said by the sender, once, and may be true."""
        said = [(count.link, count.kind, count.sent) for count in account.links]
        _check_each_once(said)
        _check_each_once([event for event, _ in account.events])
        for (link, kind, sent), count in zip(said, account.links, strict=True):
            if link[not sent] != sender or (*link, kind) not in self._routes:
                raise WireError("bad-value", f"{sender} of {kind.name} on link {'-'.join(link)}")
            if not _is_possible(count):
                raise WireError("bad-value", f"numbers that no traffic has: {count}")
        kernel = () if account.kernel is None else asdict(account.kernel).values()
        if max((*kernel, *(count for _, count in account.events)), default=0) > MOST:
            raise WireError("bad-value", f"a number above {MOST}")

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


def _check_each_once(records: Sequence[object]) -> None:
    if len(set(records)) < len(records):
        raise WireError("bad-value", "an account that says something twice")


def _is_possible(count: LinkCount) -> bool:
    """Whether there is traffic with these numbers."""
    payload = count.payload if count.kind.is_data else 0
    return (
        count.rows <= MAX_ROWS * count.messages
        and count.payload == payload <= count.zmtp <= count.ip <= MOST
        and 0 <= count.information <= payload * (1 + ROUNDING)
        and count.messages <= count.zmtp
    )


def flag(value: int) -> int:
    """0 or 1. Raises WireError for anything else."""
    if value > 1:
        raise WireError("bad-flag", f"got {value}, want 0 or 1")
    return value


def _event(place: int) -> str:
    if place >= len(EVENTS):
        raise WireError("bad-value", f"event {place}, want less than {len(EVENTS)}")
    return EVENTS[place]
