"""N samples, V views, K classes."""

import struct
import zlib
from dataclasses import fields

import numpy as np
import pytest
from builders import star, star_topology
from hypothesis import given
from hypothesis import strategies as st
from speaker import BOOT, RUN

from ddnn.coding.entropy import CONTEXTS
from ddnn.errors import WireError
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.codec import EVENTS, Codec
from ddnn.wire.header import Header
from ddnn.wire.messages import (
    KINDS,
    MAX_ROWS,
    Account,
    Ask,
    Capture,
    Expect,
    Features,
    Heartbeat,
    Hello,
    KernelCount,
    Kind,
    LinkCount,
    Message,
    Roll,
    Scores,
    Stop,
    Trigger,
    Verdict,
    View,
    ViewState,
)
from ddnn.wire.routes import routes
from ddnn.wire.seals import Seal

BUNDLE = 0x1234ABCD


def with_feature_bits(bits: int, features: str = "raw-bits") -> Topology:
    document = star(3)
    document["tiers"][0]["features"] = features
    document["tiers"][0]["section"] |= {"feature_bits": bits}
    document["nodes"]["cam1"]["section"] = document["tiers"][0]["section"] | {"feature_bits": 1}
    return Topology.model_validate(document)


def with_exit(**changes: object) -> Topology:
    document = star(3)
    for tier in document["tiers"]:
        tier["exit"] |= changes
    return Topology.model_validate(document)


TOPOLOGIES = {
    "star": star_topology(),
    "one device": star_topology(1),
    "70 views": star_topology(70),
    "two edges": read_topology("f-edges-cloud"),
    "raw views": read_topology("a-cloud-only"),
    **{f"{bits} bits": with_feature_bits(bits) for bits in (2, 4, 8, 32)},
    **{f"{bits} bits coded": with_feature_bits(bits, "entropy-coded") for bits in (2, 8)},
    **{f"{scores} scores": with_exit(scores=scores) for scores in ("float16", "int8")},
}


def tables_for(topology: Topology) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(
            1,
            256,
            topology.feature_shape(name).F * topology.section(name).sent_bits * CONTEXTS,
            dtype=np.uint8,
        ).tobytes()
        for name in topology.section_nodes
        if topology.feature_code(name) == "entropy-coded"
    }


CODECS = {
    name: Codec(topology, BUNDLE, tables_for(topology), takes_views=True)
    for name, topology in TOPOLOGIES.items()
}
STAR = CODECS["star"]
SEAL = STAR.seal(RUN).of(BOOT)
a_topology = pytest.mark.parametrize("name", TOPOLOGIES)


def features_of(topology: Topology, sender: str, rows: int, rng: np.random.Generator):
    shape, bits = (rows, *topology.feature_shape(sender)), topology.section(sender).sent_bits
    if bits == 32:
        return rng.normal(size=shape).astype(np.float32)
    codes = rng.integers(0, 2**bits, shape).astype(np.float32)
    return codes * 2 - 1 if bits == 1 else codes / np.float32(2**bits - 1)


def message_of(
    topology: Topology, sender: str, kind: Kind, rows: int, rng: np.random.Generator
) -> Message:
    """A possible message of this kind, its content random."""
    samples_N = tuple(rng.integers(0, 2**32, rows).tolist())
    present_NV = rng.random((rows, topology.views)) < 0.5
    views_N = tuple(sum(1 << view for view in np.flatnonzero(row).tolist()) for row in present_NV)
    classes = len(topology.classes)
    match kind:
        case Kind.CAPTURE | Kind.ASK:
            return Capture(samples_N) if kind is Kind.CAPTURE else Ask(samples_N)
        case Kind.EXPECT:
            return Expect(samples_N, views_N)
        case Kind.SCORES:
            scores_NK = rng.normal(size=(rows, classes), scale=4).astype(np.float32)
            scores_NK[~present_NV.any(axis=1)] = 0  # says nothing
            if topology.score_type(sender) != "float32":  # such as both types hold exactly
                scores_NK = np.clip(np.rint(scores_NK * 16) / 16, -8, 7.9375).astype(np.float32)
            return Scores(samples_N, views_N, scores_NK)
        case Kind.FEATURES:
            features_NFHW = features_of(topology, sender, rows, rng)
            features_NFHW[~present_NV.any(axis=1)] = 0
            return Features(samples_N, views_N, features_NFHW)
        case Kind.VERDICT:
            predicted_N = rng.integers(0, classes, rows).tolist()
            entropy_N = rng.random(rows, dtype=np.float32).tolist()
            final_N = (rng.random(rows) < 0.5).tolist()
            probability_N = rng.random(rows, dtype=np.float32).tolist()
            return Verdict(samples_N, views_N, predicted_N, entropy_N, final_N, probability_N)
        case Kind.HEARTBEAT:
            return Heartbeat(rows, 2**64 - rows, every=rows)
        case Kind.HELLO:
            return Hello(2**63 + rows, rows, 2**64 - 1)
        case Kind.ROLL:
            return Roll(2**64 - rows, 2**63, rows)
        case Kind.STOP | Kind.TRIGGER:
            return Stop() if kind is Kind.STOP else Trigger()
        case Kind.VIEW:
            pixels_CHW = rng.integers(0, 256, (rows % 2 * 2 + 1, rows, 2), dtype=np.uint8)
            return View(rows, ViewState(rows % 4), pixels_CHW)
        case Kind.ACCOUNT:
            own = [(s, r, k) for s, r, k in sorted(routes(topology)) if sender in (s, r)]
            counts = tuple(
                LinkCount(
                    link=(s, r), kind=kind, sent=s == sender, messages=2**50, rows=2**55,
                    information=rng.random() * 2**51 if kind.is_data else 0.0,
                    payload=2**51 if kind.is_data else 0, zmtp=2**52, ip=2**53,
                )
                for s, r, kind in own[: rows % 5]
            )  # fmt: skip
            events = tuple((event, 2**40) for event in EVENTS[: rows % 7])
            return Account(counts, events, KernelCount(sent_zmtp=2**40) if rows % 2 else None, RUN)


@st.composite
def letters(draw: st.DrawFn, topology: Topology) -> tuple[str, str, Message]:
    """A sender, a receiver, and a message that the topology lets pass between them."""
    sender, receiver, kind = draw(st.sampled_from(sorted(routes(topology))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(1, MAX_ROWS))
    return sender, receiver, message_of(topology, sender, Kind(kind), rows, rng)


def assert_same(one: Message, other: Message) -> None:
    assert type(one) is type(other)
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def sealed(header: bytes, body: bytes) -> bytes:
    """A message whose checksum is right, whatever else is wrong with it. header: 12 bytes."""
    checksum = zlib.crc32(body, zlib.crc32(header + bytes(4), SEAL.key))
    return header + struct.pack("<I", checksum) + body


def header_of(
    *, version=4, kind=Kind.STOP, rows=0, place=0, session=SEAL.session, sequence=0
) -> bytes:
    high, low = session >> 16, session & 0xFFFF
    return struct.pack("<BBBBHHI", version, kind, rows, high, place, low, sequence)


def opened(codec: Codec, data: bytes, receiver: str, seal: Seal = SEAL) -> tuple[Header, Message]:
    """As a mailbox reads it that knows the run and the sender's start."""
    header = codec.read_header(data)
    if header.session != seal.session:
        raise WireError("session", "another")
    if not codec.is_whole(header, data, seal):
        raise WireError("checksum", "damaged")
    return header, codec.decode(header, data, receiver=receiver)


def refused(codec: Codec, data: bytes, receiver: str, seal: Seal = SEAL) -> str:
    with pytest.raises(WireError) as caught:
        opened(codec, data, receiver, seal)
    return caught.value.reason


@a_topology
@given(data=st.data())
def test_decoding_gives_back_what_was_encoded(name, data):
    topology, codec = TOPOLOGIES[name], CODECS[name]
    sender, receiver, message = data.draw(letters(topology))
    sequence = data.draw(st.integers(0, 2**40))
    seal = codec.seal(data.draw(st.integers(1, 2**64 - 1)))
    encoded = codec.encode(message, sender=sender, sequence=sequence, seal=seal)
    header, decoded = opened(codec, encoded, receiver, seal)
    assert_same(decoded, message)
    assert (header.sender, header.sequence) == (sender, sequence % 2**32)
    assert len(encoded) <= codec.max_bytes


@given(data=st.data())
def test_a_message_that_lost_or_gained_bytes_is_refused(data):
    codec = STAR
    sender, receiver, message = data.draw(letters(TOPOLOGIES["star"]))
    encoded = codec.encode(message, sender=sender, sequence=0, seal=SEAL)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    longer = encoded + data.draw(st.binary(min_size=1, max_size=80))
    assert refused(codec, cut, receiver) in {"bad-length", "checksum"}
    assert refused(codec, longer, receiver) == "checksum"


@given(data=st.data())
def test_every_flipped_bit_is_noticed(data):
    codec = STAR
    sender, receiver, message = data.draw(letters(TOPOLOGIES["star"]))
    damaged = bytearray(codec.encode(message, sender=sender, sequence=0, seal=SEAL))
    for bit in data.draw(st.sets(st.integers(0, len(damaged) * 8 - 1), min_size=1, max_size=3)):
        damaged[bit // 8] ^= 1 << bit % 8
    reasons = {"version", "session", "checksum", "sender", "unknown-kind"}
    assert refused(codec, bytes(damaged), receiver) in reasons


@given(rows=st.integers(1, MAX_ROWS))
def test_a_view_is_refused_where_none_are_shown(rows):
    topology = TOPOLOGIES["star"]
    view = message_of(topology, "cam0", Kind.VIEW, rows, np.random.default_rng(rows))
    data = STAR.encode(view, sender="cam0", sequence=0, seal=SEAL)
    assert refused(Codec(topology, BUNDLE), data, COLLECTOR) == "bad-route"


@given(noise=st.binary(max_size=200))
def test_noise_is_refused(noise):
    assert refused(STAR, noise, "gateway") in EVENTS


@given(data=st.data())
def test_nonsense_with_a_right_checksum_is_refused_or_decoded(data):
    """What a peer may send that knows the session."""
    kind, rows = data.draw(st.integers(0, 13)), data.draw(st.integers(0, 255))
    header = header_of(kind=kind, rows=rows, place=data.draw(st.integers(0, 8)))
    body = data.draw(st.binary(max_size=300))
    row_bytes = {1: 4, 2: 17, 3: 4, 4: 5, 5: 9, 6: 16}.get(kind)
    if row_bytes is not None and data.draw(st.booleans()):
        body = (body * row_bytes * rows)[: row_bytes * rows]
    receiver = data.draw(st.sampled_from([COLLECTOR, *TOPOLOGIES["star"].nodes]))
    try:
        _, message = opened(STAR, sealed(header, body), receiver)
    except WireError as error:
        assert error.reason in EVENTS  # noqa: PT017  both outcomes are right
    else:
        assert KINDS[type(message)] == kind


CAM0, GATEWAY, CLOUD = 1, 4, 5
SAMPLE, ALL, NOBODY = struct.pack("<I", 7), b"\x07", b"\x00"
NAN, ONE = struct.pack("<f", np.nan), struct.pack("<f", 1.0)
IMPOSSIBLE = {
    "version": ("version", "cam0", header_of(version=1), b""),
    "session": ("session", "cam0", header_of(session=1), b""),
    "kind": ("unknown-kind", "cam0", header_of(kind=99), b""),
    "sender": ("sender", "cam0", header_of(place=6), b""),
    "stop from a camera": ("bad-route", "cloud", header_of(place=CAM0), b""),
    "scores for a camera": (
        "bad-route",
        "cam0",
        header_of(kind=Kind.SCORES, rows=1, place=CAM0),
        SAMPLE + ALL + ONE * 3,
    ),
    "verdict of a camera": (
        "bad-route",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CAM0),
        SAMPLE + ALL + b"\0\0" + ONE * 2 + b"\1",
    ),
    "65 rows": ("too-large", "cam0", header_of(kind=Kind.CAPTURE, rows=65), SAMPLE * 65),
    "no rows": ("bad-value", "cam0", header_of(kind=Kind.CAPTURE), b""),
    "no rows of scores": ("bad-value", "gateway", header_of(kind=Kind.SCORES, place=CAM0), b""),
    "stop with rows": ("bad-value", "cam0", header_of(rows=1), b""),
    "half a sample": ("bad-length", "cam0", header_of(kind=Kind.CAPTURE, rows=1), b"\0\0"),
    "ninth view": (
        "bad-flag",
        "cloud",
        header_of(kind=Kind.EXPECT, rows=1, place=GATEWAY),
        SAMPLE + b"\x08",
    ),
    "NaN scores": (
        "not-finite",
        "gateway",
        header_of(kind=Kind.SCORES, rows=1, place=CAM0),
        SAMPLE + ALL + ONE + NAN + ONE,
    ),
    "class 3": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CLOUD),
        SAMPLE + ALL + b"\3\0" + ONE * 2 + b"\1",
    ),
    "NaN entropy": (
        "not-finite",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CLOUD),
        SAMPLE + ALL + b"\0\0" + NAN + ONE + b"\1",
    ),
    "entropy 2": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CLOUD),
        SAMPLE + ALL + b"\0\0" + struct.pack("<f", 2.0) + ONE + b"\1",
    ),
    "probability 2": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CLOUD),
        SAMPLE + ALL + b"\0\0" + ONE + struct.pack("<f", 2.0) + b"\1",
    ),
    "state 4 of a view": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VIEW, place=CAM0),
        SAMPLE + b"\4\0\0\0",
    ),
    "a picture of two channels": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VIEW, place=CAM0),
        SAMPLE + b"\0\2\1\1" + b"xx",
    ),
    "a picture of 65 rows": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VIEW, place=CAM0),
        SAMPLE + b"\0\1\x41\1" + 65 * b"x",
    ),
    "a picture of no rows": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.VIEW, place=CAM0),
        SAMPLE + b"\0\1\0\1",
    ),
    "a view of a gateway": (
        "bad-route",
        COLLECTOR,
        header_of(kind=Kind.VIEW, place=GATEWAY),
        SAMPLE + b"\0\0\0\0",
    ),
    "NaN probability": (
        "not-finite",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CLOUD),
        SAMPLE + ALL + b"\0\0" + ONE + NAN + b"\1",
    ),
    "final 2": (
        "bad-flag",
        COLLECTOR,
        header_of(kind=Kind.VERDICT, rows=1, place=CLOUD),
        SAMPLE + ALL + b"\0\0" + ONE * 2 + b"\2",
    ),
    "run 0": (
        "bad-value",
        "cam0",
        header_of(kind=Kind.ROLL),
        struct.pack("<QQQ", 0, 1, 1),
    ),
    "short heartbeat": ("bad-length", COLLECTOR, header_of(kind=Kind.HEARTBEAT, place=1), b"\1"),
    "no next heartbeat": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.HEARTBEAT, place=1),
        struct.pack("<BQB", 0, 1, 0),
    ),
    "heartbeat that names others' devices": (
        "bad-flag",
        COLLECTOR,
        header_of(kind=Kind.HEARTBEAT, place=1),
        struct.pack("<BQBB", 0, 1, 1, 0b100),
    ),
    "heartbeat of more bytes than it names nodes": (
        "bad-length",
        COLLECTOR,
        header_of(kind=Kind.HEARTBEAT, place=1),
        struct.pack("<BQBB", 0, 1, 1, 0),
    ),
    "empty account": ("bad-length", COLLECTOR, header_of(kind=Kind.ACCOUNT, place=CAM0), b""),
    "account of event 200": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.ACCOUNT, place=CAM0),
        struct.pack("<HHBQBQ", 0, 1, 0, RUN, 200, 1),
    ),
    "account of link 99": (
        "bad-value",
        COLLECTOR,
        header_of(kind=Kind.ACCOUNT, place=CAM0),
        struct.pack("<HHBQHHBBQQdQQQ", 1, 0, 0, RUN, 99, 0, 1, 1, 1, 1, 1.0, 1, 1, 1),
    ),
    "account of NaN": (
        "not-finite",
        COLLECTOR,
        header_of(kind=Kind.ACCOUNT, place=CAM0),
        struct.pack("<HHBQHHBBQQdQQQ", 1, 0, 0, RUN, 1, 0, 1, 1, 1, 1, np.nan, 1, 1, 1),
    ),
}


@pytest.mark.parametrize(
    ("reason", "receiver", "header", "body"), IMPOSSIBLE.values(), ids=IMPOSSIBLE
)
def test_the_impossible_is_refused_by_name(reason, receiver, header, body):
    assert refused(STAR, sealed(header, body), receiver) == reason
    assert reason in EVENTS


def test_nodes_of_different_bundles_do_not_talk():
    topology = TOPOLOGIES["star"]
    one, other = Codec(topology, 1), Codec(topology, 2)
    assert len({one.lobby.session, other.lobby.session, one.seal(1).session}) == 3
    encoded = one.encode(Stop(), sender=COLLECTOR, sequence=0, seal=one.seal(RUN))
    assert refused(other, encoded, "cam0", other.seal(RUN)) == "session"


@a_topology
def test_the_longest_account_is_no_larger_than_a_message_may_be(name):
    topology, codec = TOPOLOGIES[name], CODECS[name]
    every = tuple(LinkCount(link=(s, r), kind=Kind(k), sent=True) for s, r, k in routes(topology))
    account = Account(every, tuple((event, 1) for event in EVENTS), KernelCount())
    encoded = codec.encode(account, sender=topology.devices[0], sequence=0, seal=SEAL)
    assert len(encoded) <= codec.max_bytes
