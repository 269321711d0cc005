"""Bytes of a message, both ways. Nothing received is believed: what does not fit is refused.

One message is one ZeroMQ part, little-endian, a header of 16 bytes and a body:

    offset  size  field
         0     1  version    4
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
    HEARTBEAT        see beats
    STOP, TRIGGER    nothing
    VIEW             sample u32, state u8, C u8, H u8, W u8, pixels u8 C x H x W
    HELLO            boot u64, run u64, data u64
    ROLL             run u64, data u64, samples u64
    ACCOUNT          see accounts

Payload, the bytes of the paper's equation 1, is the scores and the values alone. A row of SCORES
or FEATURES in which no view has a part brings none: its sender lives, but sees nothing. A VIEW is
refused but where views are shown.

Axes: N samples, V views, K classes, F filters, H, W, B bytes of one sample's features.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire import bodies
from ddnn.wire.accounts import EVENTS as EVENTS
from ddnn.wire.accounts import AccountCodec
from ddnn.wire.beats import BeatCodec
from ddnn.wire.bits import packed_bytes
from ddnn.wire.bodies import Bodies
from ddnn.wire.header import CHECKSUM, CHECKSUM_AT, HEADER, VERSION, WHOLE_32, Header
from ddnn.wire.messages import MAX_ROWS, Kind, Message
from ddnn.wire.payloads import Payloads
from ddnn.wire.routes import kept, routes
from ddnn.wire.seals import Seal, lobby_seal, run_seal

_KINDS = {int(kind): kind for kind in Kind}
_WITHOUT_ROWS = frozenset(
    {Kind.HEARTBEAT, Kind.STOP, Kind.ACCOUNT, Kind.HELLO, Kind.ROLL, Kind.TRIGGER, Kind.VIEW}
)
_NO_CHECKSUM = bytes(CHECKSUM.size)


class Codec:
    """Encodes and decodes for one topology and one bundle.

    head_bytes: of a row of scores or features before its payload: sample and views. kept: the
    devices that each name is a keeper of, see routes.
    """

    def __init__(
        self,
        topology: Topology,
        bundle: int,
        tables: Mapping[str, bytes] | None = None,
        *,
        payloads: Payloads | None = None,
        takes_views: bool = False,
    ) -> None:
        """bundle: 64 bits of its digest. tables: of the nodes whose features are entropy-coded,
        by name. payloads: in place of those of topology and tables. takes_views: whether devices
        may show what they see."""
        self._bundle = bundle
        self.lobby = lobby_seal(bundle)
        self.is_sealed = topology.security.curve
        self._takes_views = takes_views
        self._names = (COLLECTOR, *topology.nodes)
        self._place = {name: place for place, name in enumerate(self._names)}
        self._routes = routes(topology)
        self.payloads = payloads or Payloads(topology, tables)
        self.kept = {name: kept(topology, name) for name in self._names}
        parts = Bodies(
            mask_bytes=packed_bytes(topology.part_bits, 1),
            part_bits=topology.part_bits,
            classes=len(topology.classes),
            accounts=AccountCodec(self._names, self._routes),
            beats=BeatCodec(self._names, self.kept),
        )
        self.head_bytes = parts.head_bytes
        self._writers = parts.writers(self.payloads)
        self._readers = parts.readers(self.payloads)
        self._written: tuple[Message | None, str, Kind, int, bytes] = None, "", Kind.STOP, 0, b""
        """The latest body: what is said to many is written once."""

    @property
    def max_bytes(self) -> int:
        """No message of this topology is larger; a socket refuses larger ones unread."""
        data = max(self.payloads.max_row_bytes, 12)
        account = AccountCodec.max_bytes(len(self._routes))
        view = bodies.MAX_VIEW_BYTES if self._takes_views else 0
        return HEADER.size + max(MAX_ROWS * (self.head_bytes + data), account, view)

    def seal(self, run: int) -> Seal:
        """Of what is said within a run, before a sender's boot id is known."""
        return run_seal(self._bundle, run)

    def encode(self, message: Message, *, sender: str, sequence: int, seal: Seal) -> bytes:
        """The message as one ZeroMQ part.

        seal: the lobby's for what leads into a run, the run's for a heartbeat, which says the
        boot id, the run's with the sender's boot id for all else.
        """
        if self._written[0] is not message or self._written[1] != sender:
            self._written = message, sender, *self._write(message, sender)
        kind, rows, body = self._written[2:]
        session, key = seal
        place = self._place[sender]
        part = bytearray(
            HEADER.pack(
                VERSION, kind, rows, session >> 16, place, session & 0xFFFF, sequence & WHOLE_32, 0
            )
        )
        part += body
        CHECKSUM.pack_into(part, CHECKSUM_AT, zlib.crc32(part, key))
        return bytes(part)

    def _write(self, message: Message, sender: str) -> tuple[Kind, int, bytes]:
        kind, write = self._writers[type(message)]
        return kind, *write(message, sender)

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
        start = zlib.crc32(_NO_CHECKSUM, zlib.crc32(data[:CHECKSUM_AT], seal.key))
        return zlib.crc32(data[HEADER.size :], start) == header.checksum

    @staticmethod
    def announced_boot(data: bytes) -> int:
        """The boot id that a heartbeat brings. Raises WireError for one that is too short."""
        return bodies.announced_boot(data)

    def decode(self, header: Header, data: bytes, *, receiver: str) -> Message:
        """The message whose header this is.

        Raises WireError, whose `reason` is one of EVENTS, for anything but a possible message on
        a route that the topology has.
        """
        kind, sender, rows = header[:3]
        is_meant = kind is not Kind.VIEW or self._takes_views
        if (sender, receiver, kind) not in self._routes or not is_meant:
            raise WireError("bad-route", f"{kind.name} from {sender}")
        if rows > MAX_ROWS:
            raise WireError("too-large", f"{rows} rows, want at most {MAX_ROWS}")
        if (rows == 0) != (kind in _WITHOUT_ROWS):
            raise WireError("bad-value", f"{kind.name} of {rows} rows")
        return self._readers[kind](header, data)
