"""Bytes of a message, both ways. Nothing received is believed: what does not fit is refused.

One message is one ZeroMQ part, little-endian, a header of 16 bytes and a body:

    offset  size  field
         0     1  version    1
         1     1  kind       messages.Kind
         2     1  rows       N, 1 to MAX_ROWS; 0 for a kind that speaks of no sample
         3     1  epoch      how often the sender was restarted, modulo 256
         4     2  sender     place in (collector, *topology.nodes)
         6     2  session    first bytes of the bundle's digest: other bundles do not talk
         8     4  sequence   grows by one a message on this link within an epoch
        12     4  checksum   CRC-32 of the message with this field 0

    body of          parts, in this order (P = ceil(V/8), one bit a view, lowest first)
    CAPTURE, ASK     samples u32 N
    EXPECT           samples u32 N, present u8 N x P
    SCORES           samples u32 N, present u8 N x P, scores f32, f16 or i8 N x K (wire.bits)
    FEATURES         samples u32 N, present u8 N x P, values u8 N x packed_bytes (wire.bits),
                     or coded values (ddnn.coding)
    VERDICT          samples u32 N, present u8 N x P, predicted u16 N, entropy f32 N, final u8 N
    HEARTBEAT        unreached u8, epoch u8
    STOP             nothing
    ACCOUNT          see accounts

Payload, the bytes of the paper's equation 1, is the scores and the values alone. A row of SCORES
or FEATURES in which no view has a part brings none: its sender lives, but sees nothing.

Axes: N samples, V views, K classes, F filters, H, W, B bytes of one sample's features.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.accounts import EVENTS as EVENTS
from ddnn.wire.accounts import AccountCodec
from ddnn.wire.bits import packed_bytes
from ddnn.wire.messages import (
    MAX_ROWS,
    Account,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Kind,
    Message,
    Scores,
    Stop,
    Verdict,
    kind_of,
    row_count,
)
from ddnn.wire.payloads import Payloads, filled, filled_count, finite, spread
from ddnn.wire.routes import routes

VERSION = 1
HEADER = struct.Struct("<BBBBHHII")
_CHECKSUM = struct.Struct("<I")
_KINDS = frozenset(map(int, Kind))
_WITHOUT_ROWS = frozenset({Kind.HEARTBEAT, Kind.STOP, Kind.ACCOUNT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first 16 bytes, but for version and session."""

    kind: Kind
    sender: str
    epoch: int
    rows: int
    sequence: int


class Codec:
    """Encodes and decodes for one topology and one session."""

    def __init__(
        self, topology: Topology, session: int, tables: Mapping[str, bytes] | None = None
    ) -> None:
        """tables: of the nodes whose features are entropy-coded, by name."""
        self._session = session & 0xFFFF
        self.is_sealed = topology.security.curve
        self._names = (COLLECTOR, *topology.nodes)
        self._place = {name: place for place, name in enumerate(self._names)}
        self._routes = routes(topology)
        self._views = topology.views
        self._mask_bytes = packed_bytes(self._views, 1)
        self._row_bytes = {
            Kind.CAPTURE: 4,
            Kind.ASK: 4,
            Kind.EXPECT: 4 + self._mask_bytes,
            Kind.VERDICT: 4 + self._mask_bytes + 7,
        }
        self._classes = len(topology.classes)
        self._accounts = AccountCodec(self._names)
        self.payloads = Payloads(topology, tables)

    @property
    def max_bytes(self) -> int:
        """No message of this topology is larger; a socket refuses larger ones unread."""
        row = 4 + packed_bytes(self._views, 1)
        data = max(self.payloads.max_row_bytes, 8)
        account = AccountCodec.max_bytes(len(self._routes))
        return HEADER.size + max(MAX_ROWS * (row + data), account)

    def encode(self, message: Message, *, sender: str, epoch: int, sequence: int) -> bytes:
        """The message as one ZeroMQ part."""
        header = HEADER.pack(
            VERSION,
            kind_of(message),
            row_count(message),
            epoch & 0xFF,
            self._place[sender],
            self._session,
            sequence & 0xFFFFFFFF,
            0,
        )
        body = self._body(message, sender)
        checksum = zlib.crc32(body, zlib.crc32(header))
        return header[:-4] + _CHECKSUM.pack(checksum) + body

    def _body(self, message: Message, sender: str) -> bytes:
        match message:
            case Capture(samples_N) | Ask(samples_N):
                return _u32(samples_N)
            case Expect(samples_N, present_NV):
                return _u32(samples_N) + _mask(present_NV)
            case Scores(samples_N, present_NV, scores_NK):
                mask = _mask(present_NV)
                scores_RK = filled(scores_NK, present_NV, filled_count(mask, len(samples_N)))
                return _u32(samples_N) + mask + self.payloads.pack_scores(sender, scores_RK)
            case Features(samples_N, present_NV, features_NFHW):
                mask = _mask(present_NV)
                rows = filled_count(mask, len(samples_N))
                values = filled(features_NFHW, present_NV, rows)
                return _u32(samples_N) + mask + self.payloads.pack_features(sender, values)
            case Verdict(samples_N, present_NV, predicted_N, entropy_N, final_N):
                answers = predicted_N.astype("<u2").tobytes() + _f32(entropy_N)
                final = final_N.astype(np.uint8).tobytes()
                return _u32(samples_N) + _mask(present_NV) + answers + final
            case Heartbeat(unreached, epoch):
                return bytes([min(unreached, 0xFF), epoch & 0xFF])
            case Stop():
                return b""
            case Account():
                return self._accounts.encode(message)

    def decode(self, data: bytes, *, receiver: str) -> tuple[Header, Message]:
        """The message, and who says to have sent it.

        Raises WireError, whose `reason` is one of EVENTS, for anything but a whole and possible
        message on a route that the topology has.
        """
        header = self._header(data, receiver)
        body = memoryview(data)[HEADER.size :]
        wanted = self._body_bytes(header, body)
        if len(body) != wanted:
            raise WireError("bad-length", f"{header.kind.name} of {len(body)} bytes, want {wanted}")
        return header, self._message(header, body)

    def _header(self, data: bytes, receiver: str) -> Header:
        if len(data) < HEADER.size:
            raise WireError("bad-length", f"{len(data)} bytes, want at least {HEADER.size}")
        version, kind, rows, epoch, place, session, sequence, checksum = HEADER.unpack_from(data)
        if version != VERSION:
            raise WireError("version", f"got {version}, want {VERSION}")
        if session != self._session:
            raise WireError("session", f"got {session:04x}, want {self._session:04x}")
        if _checksum(data) != checksum:
            raise WireError("checksum", f"got {checksum:08x}")
        if kind not in _KINDS:
            raise WireError("unknown-kind", f"got {kind}")
        if place >= len(self._names):
            raise WireError("sender", f"got {place}, want less than {len(self._names)}")
        sender = self._names[place]
        if (sender, receiver, kind) not in self._routes:
            raise WireError("bad-route", f"{Kind(kind).name} from {sender}")
        if rows > MAX_ROWS:
            raise WireError("too-large", f"{rows} rows, want at most {MAX_ROWS}")
        if (rows == 0) != (kind in _WITHOUT_ROWS):
            raise WireError("bad-value", f"{Kind(kind).name} of {rows} rows")
        return Header(kind=Kind(kind), sender=sender, epoch=epoch, rows=rows, sequence=sequence)

    def foreign(self, data: bytes) -> tuple[str, int] | None:
        """Who sent an undamaged message of another session, by its own word, and which."""
        _, _, _, _, place, session, _, checksum = HEADER.unpack_from(data)
        if _checksum(data) != checksum or place >= len(self._names):
            return None
        return self._names[place], session

    @property
    def session(self) -> int:
        """What the messages carry."""
        return self._session

    def _body_bytes(self, header: Header, body: memoryview) -> int:
        """What the body's length must be."""
        row = self._row_bytes.get(header.kind)
        if row is not None:
            return row * header.rows
        if header.kind.is_data:
            heads = header.rows * (4 + self._mask_bytes)
            mask = bytes(body[4 * header.rows : heads])
            if len(mask) != header.rows * self._mask_bytes:
                return heads
            rows = filled_count(mask, header.rows)
            payload = self.payloads.wanted_bytes(header.kind, header.sender, rows)
            return len(body) if payload is None else heads + payload
        if header.kind is Kind.ACCOUNT:
            return AccountCodec.wanted_bytes(body)
        return 2 if header.kind is Kind.HEARTBEAT else 0

    def _message(self, header: Header, body: memoryview) -> Message:
        match header.kind:
            case Kind.HEARTBEAT:
                return Heartbeat(body[0], body[1])
            case Kind.STOP:
                return Stop()
            case Kind.ACCOUNT:
                return self._accounts.decode(body)
        rows = header.rows
        samples_N = np.frombuffer(body, "<u4", rows)
        if header.kind is Kind.CAPTURE:
            return Capture(samples_N)
        if header.kind is Kind.ASK:
            return Ask(samples_N)
        present_NV = self._present(body[4 * rows :], rows)
        rest = body[rows * (4 + self._mask_bytes) :]
        match header.kind:
            case Kind.EXPECT:
                return Expect(samples_N, present_NV)
            case Kind.SCORES:
                scores_RK = self.payloads.unpack_scores(header.sender, rest)
                return Scores(samples_N, present_NV, spread(scores_RK, present_NV))
            case Kind.FEATURES:
                filled_rows = filled_count(bytes(body[4 * rows :][: rows * self._mask_bytes]), rows)
                values = self.payloads.unpack_features(header.sender, rest, filled_rows)
                return Features(samples_N, present_NV, spread(values, present_NV))
            case _:
                return self._verdict(samples_N, present_NV, rest)

    def _present(self, body: memoryview, rows: int) -> NDArray[np.bool_]:
        packed_NP = np.frombuffer(body, np.uint8, rows * self._mask_bytes).reshape(rows, -1)
        bits_NV = np.unpackbits(packed_NP, axis=1, bitorder="little")
        if bits_NV[:, self._views :].any():
            raise WireError("bad-flag", f"a view beyond {self._views - 1}")
        return bits_NV[:, : self._views].view(np.bool_)

    def _verdict(
        self, samples_N: NDArray[np.uint32], present_NV: NDArray[np.bool_], body: memoryview
    ) -> Verdict:
        rows = len(samples_N)
        predicted_N = np.frombuffer(body, "<u2", rows)
        entropy_N = finite(np.frombuffer(body, "<f4", rows, 2 * rows))
        final_N = np.frombuffer(body, np.uint8, rows, 6 * rows)
        if (predicted_N >= self._classes).any():
            raise WireError("bad-value", f"class {predicted_N.max()}, want < {self._classes}")
        if ((entropy_N < 0) | (entropy_N > 1)).any():
            raise WireError("bad-value", "entropy outside [0, 1]")
        if (final_N > 1).any():
            raise WireError("bad-flag", f"final {final_N.max()}, want 0 or 1")
        return Verdict(samples_N, present_NV, predicted_N, entropy_N, final_N.view(np.bool_))


def _checksum(data: bytes) -> int:
    start = zlib.crc32(bytes(4), zlib.crc32(data[: HEADER.size - 4]))
    return zlib.crc32(memoryview(data)[HEADER.size :], start)


def _u32(samples_N: NDArray[np.uint32]) -> bytes:
    return samples_N.astype("<u4", copy=False).tobytes()


def _f32(values: NDArray[np.float32]) -> bytes:
    return values.astype("<f4", copy=False).tobytes()


def _mask(present_NV: NDArray[np.bool_]) -> bytes:
    return np.packbits(present_NV, axis=1, bitorder="little").tobytes()
