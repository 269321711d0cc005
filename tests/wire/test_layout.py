"""The bytes are those that codec's docstring draws: nodes of another build read them so."""

import struct
import zlib

import numpy as np
import pytest
from builders import star, star_topology
from speaker import BOOT, RUN

from ddnn.errors import WireError
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.bits import pack, pack_scores, pack_views
from ddnn.wire.codec import Codec
from ddnn.wire.messages import (
    MAX_ROWS,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Hello,
    Kind,
    Message,
    Roll,
    Scores,
    Stop,
    Trigger,
    Verdict,
    View,
    ViewState,
)

CODEC = Codec(star_topology(10), 0x1234ABCD, takes_views=True)  # ten views: two bytes of presence
SEAL = CODEC.seal(RUN).of(BOOT)
NODES = (COLLECTOR, *star_topology(10).nodes)
SAMPLES, VIEWS = (5, 2**32 - 2), (0b1, 0b10_0000_0001)
HEAD = struct.pack("<II", *SAMPLES) + b"\x01\x00\x01\x02"
SCORES = np.array([[1, -2, 0.5], [3, 0, -1]], dtype=np.float32)
SIGNS = np.where(np.arange(2 * 32).reshape(2, 2, 4, 4) % 3, -1, 1).astype(np.float32)
PIXELS = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
LAYOUTS: dict[Kind, tuple[str, str, Message, bytes]] = {
    Kind.CAPTURE: (COLLECTOR, "cam0", Capture(SAMPLES), struct.pack("<II", *SAMPLES)),
    Kind.ASK: ("gateway", "cam9", Ask(SAMPLES), struct.pack("<II", *SAMPLES)),
    Kind.EXPECT: ("gateway", "cloud", Expect(SAMPLES, VIEWS), HEAD),
    Kind.SCORES: ("cam9", "gateway", Scores(SAMPLES, VIEWS, SCORES), HEAD + SCORES.tobytes()),
    Kind.FEATURES: (
        "cam9",
        "cloud",
        Features(SAMPLES, VIEWS, SIGNS),
        HEAD + np.packbits(SIGNS.reshape(2, 32) > 0, axis=1, bitorder="little").tobytes(),
    ),
    Kind.VERDICT: (
        "gateway",
        COLLECTOR,
        Verdict(SAMPLES, VIEWS, (2, 1), (0.25, 1.0), (True, False), (0.75, 0.5)),
        HEAD + struct.pack("<HHffffBB", 2, 1, 0.25, 1.0, 0.75, 0.5, 1, 0),
    ),
    Kind.HEARTBEAT: (
        "gateway",
        "cloud",
        Heartbeat(3, BOOT, 10),
        struct.pack("<BQB", 3, BOOT, 10),
    ),
    Kind.HELLO: ("cam0", COLLECTOR, Hello(BOOT, RUN, 7), struct.pack("<QQQ", BOOT, RUN, 7)),
    Kind.ROLL: (COLLECTOR, "cam0", Roll(RUN, 7, 40), struct.pack("<QQQ", RUN, 7, 40)),
    Kind.STOP: (COLLECTOR, "cam0", Stop(), b""),
    Kind.TRIGGER: ("cam9", COLLECTOR, Trigger(), b""),
    Kind.VIEW: (
        "cam9",
        COLLECTOR,
        View(5, ViewState.FROZEN, PIXELS),
        struct.pack("<IBBBB", 5, 2, 3, 2, 4) + PIXELS.tobytes(),
    ),
}


def sealed(sender: str, kind: Kind, rows: int, body: bytes, sequence: int = 0) -> bytes:
    """Put together by hand; the checksum is right, whatever the body."""
    place, session = NODES.index(sender), SEAL.session
    header = struct.pack(
        "<BBBBHHI", 4, kind, rows, session >> 16, place, session & 0xFFFF, sequence
    )
    checksum = zlib.crc32(body, zlib.crc32(header + bytes(4), SEAL.key))
    return header + struct.pack("<I", checksum) + body


@pytest.mark.parametrize("kind", LAYOUTS, ids=lambda kind: kind.name.lower())
def test_a_message_is_the_header_and_body_that_are_drawn(kind):
    sender, _, message, body = LAYOUTS[kind]
    rows = len(getattr(message, "samples_N", ()))
    encoded = CODEC.encode(message, sender=sender, sequence=0x1_0203_0405, seal=SEAL)
    assert encoded == sealed(sender, kind, rows, body, 0x0203_0405)


@pytest.mark.parametrize("change", ["longer", "shorter"])
@pytest.mark.parametrize("kind", LAYOUTS, ids=lambda kind: kind.name.lower())
def test_a_body_of_another_length_is_refused_though_its_checksum_is_right(kind, change):
    sender, receiver, message, body = LAYOUTS[kind]
    if not body and change == "shorter":
        return
    data = sealed(
        sender,
        kind,
        len(getattr(message, "samples_N", ())),
        body + b"\0" if change == "longer" else body[:-1],
    )
    with pytest.raises(WireError) as caught:
        CODEC.decode(CODEC.read_header(data), data, receiver=receiver)
    assert caught.value.reason == "bad-length"


def test_more_unreached_peers_than_a_byte_holds_are_told_as_its_most():
    beat = CODEC.encode(Heartbeat(300, BOOT), sender="cam0", sequence=0, seal=SEAL)
    assert beat[16] == 255


def test_whom_a_keeper_has_given_up_are_bits_by_their_places():
    beat = Heartbeat(0, BOOT, 1, frozenset({"cam0", "cam9"}))
    data = CODEC.encode(beat, sender="gateway", sequence=0, seal=SEAL)
    assert data[-2:] == bytes([0b10, 0b100])
    assert CODEC.decode(CODEC.read_header(data), data, receiver="cloud") == beat


def test_presence_has_the_lowest_views_in_the_first_byte():
    assert pack_views([0b1, 1 << 9], 2) == b"\x01\x00\x00\x02"


def test_a_value_a_hair_off_its_level_is_that_level():
    """Another machine's division may round otherwise."""
    levels = np.arange(16, dtype=np.float32) / np.float32(15)
    for to in (np.float32(-1), np.float32(2)):
        near = np.nextafter(levels, to)[None]
        assert np.array_equal(pack(near, 4), pack(levels[None], 4))


def test_int8_scores_beyond_their_range_are_its_ends():
    assert pack_scores(np.array([[-1e6, -8, 7.9375, 1e6]], np.float32), "int8") == bytes(
        [128, 128, 127, 127]
    )


@pytest.mark.parametrize("name", ["a-cloud-only", "six-cameras"])
def test_a_socket_takes_the_largest_message_there_is(name):
    topology = read_topology(name)
    codec, camera = Codec(topology, 1), topology.devices[0]
    shape = (MAX_ROWS, *topology.feature_shape(camera))
    views_N = [1] * MAX_ROWS
    features = Features(range(MAX_ROWS), views_N, np.ones(shape, dtype=np.float32))
    encoded = codec.encode(features, sender=camera, sequence=0, seal=codec.seal(RUN))
    assert len(encoded) <= codec.max_bytes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_real_features_that_are_no_numbers_are_refused(value):
    document = star(2)
    document["tiers"][0]["section"] |= {"feature_bits": 32}
    codec = Codec(Topology.model_validate(document), 1)
    features = np.ones((1, 2, 4, 4), dtype=np.float32)
    features[0, 1, 2, 3] = value
    seal = codec.seal(RUN)
    data = codec.encode(Features((7,), (1,), features), sender="cam0", sequence=0, seal=seal)
    with pytest.raises(WireError) as caught:
        codec.decode(codec.read_header(data), data, receiver="cloud")
    assert caught.value.reason == "not-finite"
