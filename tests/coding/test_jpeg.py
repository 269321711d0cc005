"""N samples, F channels, H, W."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.coding.coders import coder_of
from ddnn.coding.jpeg import LENGTH, JpegCoder
from ddnn.errors import ConfigError, WireError
from ddnn.topology import Shape, Topology, read_topology

COLOUR = Shape(3, 32, 32)


def smooth_views(shape: Shape, count: int = 3) -> np.ndarray:
    """Gradients, as multiples of 1/255."""
    ramp_HW = np.add.outer(np.arange(shape.H), np.arange(shape.W)) * 4
    tilt_NF = np.arange(count * shape.F).reshape(count, shape.F, 1, 1)
    return ((ramp_HW + 9 * tilt_NF) % 256).astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("shape", [COLOUR, Shape(1, 20, 33)], ids=["colour", "grey"])
def test_a_view_comes_back_nearly_as_it_was_and_then_stays_the_same(shape):
    coder, views = JpegCoder(shape), smooth_views(shape)
    codes = coder.encode(views)
    arrived = coder.decode(b"".join(codes), len(views))
    assert arrived.shape == views.shape
    assert np.abs(arrived - views).mean() < 0.03
    np.testing.assert_array_equal(arrived, coder.decode(b"".join(codes), len(views)))
    assert all(len(code) <= coder.max_bytes for code in codes)


def test_even_noise_stays_below_the_most_a_view_may_take():
    noise = np.random.default_rng(0).integers(0, 256, (4, *COLOUR)).astype(np.float32) / 255
    coder = JpegCoder(COLOUR)
    assert max(len(code) for code in coder.encode(noise.astype(np.float32))) < coder.max_bytes


def damaged(kind: str) -> bytes:
    (code,) = JpegCoder(COLOUR).encode(smooth_views(COLOUR, 1))
    (other,) = JpegCoder(Shape(3, 16, 16)).encode(smooth_views(Shape(3, 16, 16), 1))
    return {
        "nothing": b"",
        "half a length": code[:1],
        "cut": code[:-30],
        "cut inside": LENGTH.pack(100) + code[2:102],
        "one too many": code + b"x",
        "not an image": LENGTH.pack(4) + b"abcd",
        "another size": other,
        "large": claiming(code, 10_000),
        "bomb": claiming(code, 65_535),
    }[kind]


def claiming(code: bytes, side: int) -> bytes:
    """The same picture with another size in its header (the segment SOF0, height and width)."""
    place = code.index(b"\xff\xc0") + 5
    return code[:place] + 2 * side.to_bytes(2, "big") + code[place + 4 :]


@pytest.mark.parametrize(
    "kind",
    [
        "nothing",
        "half a length",
        "cut",
        "cut inside",
        "one too many",
        "not an image",
        "another size",
        "large",
        "bomb",
    ],
)
def test_what_is_no_view_is_refused(kind):
    with pytest.raises(WireError):
        JpegCoder(COLOUR).decode(damaged(kind), 1)


@given(st.binary(max_size=300))
def test_random_bytes_never_raise_anything_else(data):
    with pytest.raises(WireError):
        JpegCoder(COLOUR).decode(LENGTH.pack(len(data)) + data, 1)


def test_only_raw_views_travel_as_jpeg():
    document = read_topology("six-cameras").model_dump(mode="json")
    document["tiers"][0]["features"] = "jpeg"
    with pytest.raises(ConfigError, match="want no blocks, 8 bits and 1 or 3 channels"):
        Topology.model_validate(document)


def test_the_topology_says_which_coder_a_node_has():
    raw, document = (
        read_topology("a-cloud-only"),
        read_topology("a-cloud-only").model_dump(mode="json"),
    )
    assert coder_of(raw, "cam0") is None
    document["tiers"][0]["features"] = "jpeg"
    assert isinstance(coder_of(Topology.model_validate(document), "cam0"), JpegCoder)
