"""The bytes of every message beside an encoder that is written as plainly as the drawing in codec.

N samples, V views, K classes, F filters, H, W.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from builders import star_topology
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR
from ddnn.wire.codec import Codec
from ddnn.wire.messages import (
    MAX_ROWS,
    MAX_SIDE,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Hello,
    Message,
    Roll,
    Scores,
    Stop,
    Trigger,
    Verdict,
    View,
    ViewState,
    kind_of,
    row_count,
)
from ddnn.wire.payloads import FEW, finite

DEVICES = (3, 9, 20)
"""So that views take one byte, two, and three, which no number of `struct` has."""
CODECS = {devices: Codec(star_topology(devices), 1, takes_views=True) for devices in DEVICES}
SHAPES = {devices: star_topology(devices).feature_shape("cam0") for devices in DEVICES}
BOOT, RUN = 77, 5
U64 = st.integers(0, 2**64 - 1)
ROUTES = {
    Capture: (COLLECTOR, "cam0"), Ask: ("gateway", "cam0"), Expect: ("gateway", "cloud"),
    Scores: ("cam0", "gateway"), Features: ("cam0", "cloud"), Verdict: ("cloud", COLLECTOR),
    Heartbeat: ("cam0", "gateway"), Hello: ("cam0", COLLECTOR), Roll: (COLLECTOR, "cam0"),
    Stop: (COLLECTOR, "cam0"), Trigger: ("cam0", COLLECTOR), View: ("cam0", COLLECTOR),
}  # fmt: skip


def plain_body(message: Message, devices: int) -> bytes:
    """Field by field, in the order of the drawing."""
    match message:
        case Capture() | Ask():
            return b"".join(struct.pack("<I", s) for s in message.samples_N)
        case Heartbeat():
            return struct.pack("<BQB", min(message.unreached, 255), message.boot, message.every)
        case Hello():
            return struct.pack("<QQQ", message.boot, message.run, message.data)
        case Roll():
            return struct.pack("<QQQ", message.run, message.data, message.samples)
        case Stop() | Trigger():
            return b""
        case View():
            head = struct.pack("<IB", message.sample, message.state)
            return head + bytes(message.pixels_CHW.shape) + bytes(message.pixels_CHW.ravel())
    head = b"".join(struct.pack("<I", s) for s in message.samples_N)
    head += b"".join(v.to_bytes(-(-devices // 8), "little") for v in message.views_N)
    brings = [row for row, views in enumerate(message.views_N) if views]
    match message:
        case Scores():
            return head + b"".join(message.scores_NK[row].astype("<f4").tobytes() for row in brings)
        case Features():
            rows = [np.packbits(message.features_NFHW[row].ravel() > 0, bitorder="little")
                    for row in brings]  # fmt: skip
            return head + b"".join(row.tobytes() for row in rows)
        case Verdict():
            head += b"".join(struct.pack("<H", p) for p in message.predicted_N)
            head += b"".join(struct.pack("<f", e) for e in message.entropy_N)
            head += b"".join(struct.pack("<f", p) for p in message.probability_N)
            return head + bytes(message.final_N)
    return head


def plain(message: Message, codec: Codec, devices: int, sequence: int) -> bytes:
    """The whole part."""
    names = [COLLECTOR, *star_topology(devices).nodes]
    seal = seal_of(message, codec)
    header = struct.pack(
        "<BBBBHHII", 4, kind_of(message), row_count(message), seal.session >> 16,
        names.index(ROUTES[type(message)][0]), seal.session & 0xFFFF, sequence, 0,
    )  # fmt: skip
    body = plain_body(message, devices)
    checksum = zlib.crc32(header + body, seal.key)
    return header[:12] + struct.pack("<I", checksum) + body


def seal_of(message: Message, codec: Codec):
    if isinstance(message, Hello | Roll):
        return codec.lobby
    seal = codec.seal(RUN)
    return seal if isinstance(message, Heartbeat) else seal.of(BOOT)


@st.composite
def messages(draw: st.DrawFn) -> tuple[int, Message]:
    """Of a topology of so many devices."""
    devices = draw(st.sampled_from(DEVICES))
    rows = draw(st.one_of(st.just(1), st.integers(1, MAX_ROWS)))

    def sequence_of(one: st.SearchStrategy) -> Sequence:
        return draw(st.lists(one, min_size=rows, max_size=rows))

    samples_N = sequence_of(st.integers(0, 2**32 - 1))
    views_N = sequence_of(st.integers(0, 2**devices - 1))
    finite_32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
    made = draw(st.sampled_from(list(ROUTES)))
    if made in (Capture, Ask):
        return devices, made(samples_N)
    if made is Scores:
        return devices, Scores(
            samples_N, views_N, draw(arrays("f4", (rows, 3), elements=finite_32))
        )
    if made is Features:
        shape = (rows, *SHAPES[devices])
        signs = np.random.default_rng(draw(st.integers(0, 99))).choice([-1, 1], shape)
        return devices, Features(samples_N, views_N, signs.astype(np.float32))
    if made is Verdict:
        return devices, Verdict(
            samples_N, views_N, sequence_of(st.integers(0, 2)),
            sequence_of(st.floats(0, 1, width=32)), sequence_of(st.booleans()),
            sequence_of(st.floats(0, 1, width=32)),
        )  # fmt: skip
    if made is Expect:
        return devices, Expect(samples_N, views_N)
    if made is View:
        sides = st.integers(1, MAX_SIDE)
        shape = draw(
            st.one_of(st.just((0, 0, 0)), st.tuples(st.sampled_from([1, 3]), sides, sides))
        )
        pixels_CHW = np.random.default_rng(rows).integers(0, 256, shape, dtype=np.uint8)
        return devices, View(samples_N[0], draw(st.sampled_from(ViewState)), pixels_CHW)
    fields = {
        Heartbeat: st.tuples(st.integers(0, 255), U64),
        Hello: st.tuples(U64, U64, U64),
        Roll: st.tuples(st.integers(1, 2**64 - 1), U64, U64),
        Stop: st.just(()),
        Trigger: st.just(()),
    }
    return devices, made(*draw(fields[made]))


@given(found=messages(), sequence=st.integers(0, 2**32 - 1))
def test_each_message_has_the_bytes_of_the_drawing(found, sequence):
    devices, message = found
    codec, (sender, _) = CODECS[devices], ROUTES[type(message)]
    seal = seal_of(message, codec)
    data = codec.encode(message, sender=sender, sequence=sequence, seal=seal)
    assert data == plain(message, codec, devices, sequence)


@given(found=messages())
def test_what_is_read_is_written_again_alike(found):
    devices, message = found
    codec, (sender, receiver) = CODECS[devices], ROUTES[type(message)]
    seal = seal_of(message, codec)
    data = codec.encode(message, sender=sender, sequence=1, seal=seal)
    header = codec.read_header(data)
    assert codec.is_whole(header, data, seal)
    again = codec.decode(header, data, receiver=receiver)
    assert type(again) is type(message)
    assert codec.encode(again, sender=sender, sequence=1, seal=seal) == data


@pytest.mark.parametrize("size", [1, FEW, FEW + 1, 10 * FEW])
@given(value=st.floats(width=32), place=st.integers(0, 10**6))
def test_few_and_many_values_are_finite_alike(size, value, place):
    """The largest float32 are so large that their sum is no float32."""
    values = np.full(size, np.finfo(np.float32).max)
    values[place % size] = value
    if np.isfinite(values).all():
        assert finite(values) is values
    else:
        with pytest.raises(WireError, match="NaN or infinity"):
            finite(values)
