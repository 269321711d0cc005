"""Bytes of a message, both ways. Nothing received is believed: what does not fit is refused.

One message is one ZeroMQ part, little-endian, a header of 16 bytes and a body:

    offset  size  field
         0     1  version    3
         1     1  kind       messages.Kind
         2     1  rows       N, 1 to MAX_ROWS; 0 for a kind that speaks of no sample
         3     1  session    its highest 8 bits
         4     2  sender     place in (collector, *topology.nodes)
         6     2  session    its lowest 16 bits: a hash of bundle and run; of HELLO and ROLL, which
                             lead into a run, of the bundle alone
         8     4  sequence   grows with each message on this link since the sender's start
        12     4  checksum   CRC-32 of the message with this field 0, begun with a key (see seals)

    body of          parts, in this order (P = ceil(parts/8), one bit a view and a node
                     that a fallback leads past, lowest first)
    CAPTURE, ASK     samples u32 N
    EXPECT           samples u32 N, present u8 N x P
    SCORES           samples u32 N, present u8 N x P, scores f32, f16 or i8 N x K (wire.bits)
    FEATURES         samples u32 N, present u8 N x P, values u8 N x packed_bytes (wire.bits),
                     or coded values (ddnn.coding)
    VERDICT          samples u32 N, present u8 N x P, predicted u16 N, entropy f32 N,
                     probability f32 N, final u8 N
    HEARTBEAT        unreached u8, boot u64
    STOP, TRIGGER    nothing
    HELLO            boot u64, run u64, data u64
    ROLL             run u64, data u64, samples u64
    ACCOUNT          see accounts

Payload, the bytes of the paper's equation 1, is the scores and the values alone. A row of SCORES
or FEATURES in which no view has a part brings none: its sender lives, but sees nothing.

Axes: N samples, V views, K classes, F filters, H, W, B bytes of one sample's features.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.accounts import EVENTS as EVENTS
from ddnn.wire.accounts import AccountCodec
from ddnn.wire.bits import pack_views, packed_bytes, unpack_views
from ddnn.wire.messages import (
    MAX_ROWS,
    NO_RUN,
    Account,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Hello,
    Kind,
    Message,
    Roll,
    Samples,
    Scores,
    Stop,
    Trigger,
    Verdict,
    Views,
    kind_of,
    row_count,
)
from ddnn.wire.payloads import Payloads, every_row, filled, filled_count
from ddnn.wire.routes import routes
from ddnn.wire.seals import Seal, lobby_seal, run_seal

VERSION = 3
HEADER = struct.Struct("<BBBBHHII")
_CHECKSUM = struct.Struct("<I")
CHECKSUM_AT = HEADER.size - _CHECKSUM.size
_BEAT = struct.Struct("<BQ")
_THREE = struct.Struct("<QQQ")
_KINDS = {int(kind): kind for kind in Kind}
_WITHOUT_ROWS = frozenset(
    {Kind.HEARTBEAT, Kind.STOP, Kind.ACCOUNT, Kind.HELLO, Kind.ROLL, Kind.TRIGGER}
)
_SAMPLES = [struct.Struct(f"<{rows}I") for rows in range(MAX_ROWS + 1)]
_ANSWERS = [struct.Struct(f"<{rows}H{2 * rows}f{rows}B") for rows in range(MAX_ROWS + 1)]


class Header(NamedTuple):
    """The first 16 bytes, but for the version."""

    kind: Kind
    sender: str
    rows: int
    session: int
    sequence: int
    checksum: int


class Codec:
    """Encodes and decodes for one topology and one bundle."""

    def __init__(
        self, topology: Topology, bundle: int, tables: Mapping[str, bytes] | None = None
    ) -> None:
        """bundle: 64 bits of its digest. tables: of the nodes whose features are entropy-coded,
        by name."""
        self._bundle = bundle
        self.lobby = lobby_seal(bundle)
        self.is_sealed = topology.security.curve
        self._names = (COLLECTOR, *topology.nodes)
        self._place = {name: place for place, name in enumerate(self._names)}
        self._routes = routes(topology)
        self._part_bits = topology.part_bits
        self._mask_bytes = packed_bytes(self._part_bits, 1)
        self._row_bytes = {
            Kind.CAPTURE: 4,
            Kind.ASK: 4,
            Kind.EXPECT: self.head_bytes,
            Kind.VERDICT: self.head_bytes + 11,
            Kind.SCORES: self.head_bytes,
            Kind.FEATURES: self.head_bytes,
        }
        self._classes = len(topology.classes)
        self._accounts = AccountCodec(self._names, self._routes)
        self.payloads = Payloads(topology, tables)

    @property
    def head_bytes(self) -> int:
        """Of a row of scores or features before its payload: sample and views."""
        return 4 + self._mask_bytes

    @property
    def max_bytes(self) -> int:
        """No message of this topology is larger; a socket refuses larger ones unread."""
        row = 4 + packed_bytes(self._part_bits, 1)
        data = max(self.payloads.max_row_bytes, 12)
        account = AccountCodec.max_bytes(len(self._routes))
        return HEADER.size + max(MAX_ROWS * (row + data), account)

    def seal(self, run: int) -> Seal:
        """Of what is said within a run, before a sender's boot id is known."""
        return run_seal(self._bundle, run)

    def encode(self, message: Message, *, sender: str, sequence: int, seal: Seal) -> bytes:
        """The message as one ZeroMQ part.

        seal: the lobby's for what leads into a run, the run's for a heartbeat, which says the
        boot id, the run's with the sender's boot id for all else.
        """
        header = HEADER.pack(
            VERSION,
            kind_of(message),
            row_count(message),
            seal.session >> 16,
            self._place[sender],
            seal.session & 0xFFFF,
            sequence & 0xFFFFFFFF,
            0,
        )
        body = self._body(message, sender)
        checksum = zlib.crc32(body, zlib.crc32(header, seal.key))
        return header[:-4] + _CHECKSUM.pack(checksum) + body

    def _body(self, message: Message, sender: str) -> bytes:
        match message:
            case Capture(samples_N) | Ask(samples_N):
                return _SAMPLES[len(samples_N)].pack(*samples_N)
            case Scores(samples_N, views_N, scores_NK):
                scores_RK = filled(scores_NK, views_N)
                payload = self.payloads.pack_scores(sender, scores_RK)
                return self._head(samples_N, views_N) + payload
            case Verdict(samples_N, views_N, predicted_N, entropy_N, final_N, probability_N):
                answers = _ANSWERS[len(samples_N)].pack(
                    *predicted_N, *entropy_N, *probability_N, *final_N
                )
                return self._head(samples_N, views_N) + answers
            case Features(samples_N, views_N, features_NFHW):
                payload = self.payloads.pack_features(sender, filled(features_NFHW, views_N))
                return self._head(samples_N, views_N) + payload
            case Expect(samples_N, views_N):
                return self._head(samples_N, views_N)
            case Heartbeat(unreached, boot):
                return _BEAT.pack(min(unreached, 0xFF), boot)
            case Hello(boot, run, data):
                return _THREE.pack(boot, run, data)
            case Roll(run, data, samples):
                return _THREE.pack(run, data, samples)
            case Stop() | Trigger():
                return b""
            case Account():
                return self._accounts.encode(message)

    def _head(self, samples_N: Samples, views_N: Views) -> bytes:
        return _SAMPLES[len(samples_N)].pack(*samples_N) + pack_views(views_N, self._mask_bytes)

    def read_header(self, data: bytes) -> Header:
        """What the message says of itself. Nothing of it is to be believed before `is_whole`.

        Raises WireError, whose `reason` is one of EVENTS, for what cannot be a header.
        """
        if len(data) < HEADER.size:
            raise WireError("bad-length", f"{len(data)} bytes, want at least {HEADER.size}")
        version, kind, rows, high, place, low, sequence, checksum = HEADER.unpack_from(data)
        if version != VERSION:
            raise WireError("version", f"got {version}, want {VERSION}")
        if kind not in _KINDS:
            raise WireError("unknown-kind", f"got {kind}")
        if place >= len(self._names):
            raise WireError("sender", f"got {place}, want less than {len(self._names)}")
        return Header(_KINDS[kind], self._names[place], rows, high << 16 | low, sequence, checksum)

    @staticmethod
    def is_whole(header: Header, data: bytes, seal: Seal) -> bool:
        """Whether the message is undamaged, and was sealed so."""
        start = zlib.crc32(bytes(4), zlib.crc32(data[: HEADER.size - 4], seal.key))
        return zlib.crc32(memoryview(data)[HEADER.size :], start) == header.checksum

    @staticmethod
    def announced_boot(data: bytes) -> int:
        """The boot id that a heartbeat brings. Raises WireError for one of another length."""
        _check_length(memoryview(data)[HEADER.size :], _BEAT.size)
        return int(_BEAT.unpack_from(data, HEADER.size)[1])

    def decode(self, header: Header, data: bytes, *, receiver: str) -> Message:
        """The message whose header this is.

        Raises WireError, whose `reason` is one of EVENTS, for anything but a possible message on
        a route that the topology has.
        """
        kind, rows = header.kind, header.rows
        if (header.sender, receiver, kind) not in self._routes:
            raise WireError("bad-route", f"{kind.name} from {header.sender}")
        if rows > MAX_ROWS:
            raise WireError("too-large", f"{rows} rows, want at most {MAX_ROWS}")
        if (rows == 0) != (kind in _WITHOUT_ROWS):
            raise WireError("bad-value", f"{kind.name} of {rows} rows")
        body = memoryview(data)[HEADER.size :]
        row_bytes = self._row_bytes.get(kind)
        if row_bytes is None:
            return self._without_rows(header, body)
        if kind.is_data:
            return self._data(header, body, rows * row_bytes)
        _check_length(body, rows * row_bytes)
        return self._rows(header, body)

    def _without_rows(self, header: Header, body: memoryview) -> Message:
        match header.kind:
            case Kind.HEARTBEAT:
                _check_length(body, _BEAT.size)
                return Heartbeat(*_BEAT.unpack(body))
            case Kind.STOP:
                _check_length(body, 0)
                return Stop()
            case Kind.TRIGGER:
                _check_length(body, 0)
                return Trigger()
            case Kind.HELLO:
                _check_length(body, _THREE.size)
                return Hello(*_THREE.unpack(body))
            case Kind.ROLL:
                _check_length(body, _THREE.size)
                return _roll(*_THREE.unpack(body))
            case _:
                _check_length(body, AccountCodec.wanted_bytes(body))
                return self._accounts.decode(body, header.sender)

    def _rows(self, header: Header, body: memoryview) -> Message:
        """A message whose rows are of fixed length, which the body has."""
        samples_N = _SAMPLES[header.rows].unpack_from(body)
        match header.kind:
            case Kind.CAPTURE:
                return Capture(samples_N)
            case Kind.ASK:
                return Ask(samples_N)
        views_N = self._views_of(body, header.rows)
        if header.kind is Kind.EXPECT:
            return Expect(samples_N, views_N)
        return self._verdict(samples_N, views_N, body[header.rows * self.head_bytes :])

    def _data(self, header: Header, body: memoryview, head_bytes: int) -> Scores | Features:
        """Scores or features, whose head of samples and views tells how long they are."""
        if len(body) < head_bytes:
            _check_length(body, head_bytes)
        samples_N = _SAMPLES[header.rows].unpack_from(body)
        views_N = self._views_of(body, header.rows)
        rows = filled_count(views_N)
        payload_bytes = self.payloads.wanted_bytes(header.kind, header.sender, rows)
        if payload_bytes is not None:
            _check_length(body, head_bytes + payload_bytes)
        payload = body[head_bytes:]
        if header.kind is Kind.SCORES:
            scores_RK = self.payloads.unpack_scores(header.sender, payload)
            return Scores(samples_N, views_N, every_row(scores_RK, views_N))
        values = self.payloads.unpack_features(header.sender, payload, rows)
        return Features(samples_N, views_N, every_row(values, views_N))

    def _views_of(self, body: memoryview, rows: int) -> Views:
        views_N = unpack_views(body[4 * rows : self.head_bytes * rows], self._mask_bytes)
        if max(views_N) >> self._part_bits:
            raise WireError("bad-flag", f"a part beyond {self._part_bits - 1}")
        return views_N

    def _verdict(self, samples_N: Samples, views_N: Views, body: memoryview) -> Verdict:
        rows = len(samples_N)
        answers = _ANSWERS[rows].unpack_from(body)
        predicted_N, entropy_N = answers[:rows], answers[rows : 2 * rows]
        probability_N, final_N = answers[2 * rows : 3 * rows], answers[3 * rows :]
        shares_N = entropy_N + probability_N
        if max(predicted_N) >= self._classes:
            raise WireError("bad-value", f"class {max(predicted_N)}, want < {self._classes}")
        if any(map(math.isnan, shares_N)):
            raise WireError("not-finite", "NaN among entropies and probabilities")
        if min(shares_N) < 0 or max(shares_N) > 1:
            raise WireError("bad-value", "entropy or probability outside [0, 1]")
        if max(final_N) > 1:
            raise WireError("bad-flag", f"final {max(final_N)}, want 0 or 1")
        return Verdict(
            samples_N, views_N, predicted_N, entropy_N, tuple(map(bool, final_N)), probability_N
        )


def _check_length(body: memoryview, wanted: int) -> None:
    if len(body) != wanted:
        raise WireError("bad-length", f"{len(body)} bytes of body, want {wanted}")


def _roll(run: int, data: int, samples: int) -> Roll:
    if run == NO_RUN:
        raise WireError("bad-value", f"run {NO_RUN}, which is none")
    return Roll(run, data, samples)
