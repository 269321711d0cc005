"""N samples, X values of one sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ddnn.topology import INT8_STEPS
from ddnn.wire.bits import (
    entropy_bytes,
    pack,
    pack_scores,
    packed_bytes,
    symbol_counts,
    unpack,
    unpack_scores,
)

WIDTHS = (1, 2, 4, 8, 32)


@st.composite
def values_of(draw: st.DrawFn, bits: int) -> np.ndarray:
    """Values as a section gives them at this width, (N, X)."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=17))
    if bits == 32:
        return draw(arrays(np.float32, shape, elements=st.floats(width=32, allow_nan=False)))
    codes_NX = draw(arrays(np.uint8, shape, elements=st.integers(0, 2**bits - 1)))
    if bits == 1:
        return codes_NX.astype(np.float32) * 2 - 1
    return codes_NX.astype(np.float32) / np.float32(2**bits - 1)


@pytest.mark.parametrize("bits", WIDTHS)
@given(data=st.data())
def test_unpacking_gives_back_what_was_packed(bits, data):
    values_NX = data.draw(values_of(bits))
    packed_NB = pack(values_NX, bits)
    assert packed_NB.shape == (len(values_NX), packed_bytes(values_NX.shape[1], bits))
    np.testing.assert_array_equal(unpack(packed_NB, values_NX.shape[1], bits), values_NX)


@pytest.mark.parametrize("bits", WIDTHS)
@given(data=st.data())
def test_a_row_is_packed_alike_alone_and_among_others(bits, data):
    values_NX = data.draw(values_of(bits))
    packed_NB = pack(values_NX, bits)
    for row, alone in zip(packed_NB, values_NX, strict=True):
        np.testing.assert_array_equal(pack(alone[None], bits)[0], row)


@pytest.mark.parametrize(
    ("bits", "values", "packed"),
    [
        (1, [1, -1, 1, 1, -1, -1, -1, -1, 1], [0b00001101, 0b1]),
        (2, [0, 1 / 3, 2 / 3, 1, 1], [0b11100100, 0b11]),
        (4, [1 / 15, 1], [0xF1]),
        (8, [0, 1], [0, 255]),
        (32, [1.0], [0, 0, 0x80, 0x3F]),
    ],
    ids=map(str, WIDTHS),
)
def test_lowest_bits_come_first(bits, values, packed):
    assert pack(np.array([values], dtype=np.float32), bits)[0].tolist() == packed


def test_every_pixel_survives_eight_bits():
    pixels = np.arange(256, dtype=np.float32)[None] / np.float32(255)
    np.testing.assert_array_equal(unpack(pack(pixels, 8), 256, 8), pixels)


@pytest.mark.parametrize("bits", WIDTHS)
@given(data=st.data())
def test_symbols_are_counted_whole(bits, data):
    packed_NB = pack(data.draw(values_of(bits)), bits)
    counted_bits = 8 if bits == 32 else bits
    assert symbol_counts(packed_NB, bits).sum() == packed_NB.size * 8 // counted_bits


@pytest.mark.parametrize(
    ("counts", "wanted"), [([8, 8], 2), ([16, 0], 0), ([], 0), ([4, 4, 4, 4], 4)]
)
def test_information_is_the_entropy_of_the_symbols(counts, wanted):
    assert entropy_bytes(np.array(counts, dtype=np.int64)) == pytest.approx(wanted)


def test_scores_of_int8_are_the_nearest_step_and_beyond_the_last_one_the_last():
    scores_NK = np.array([[1e4, -1e4, 2.6 / INT8_STEPS, -2.6 / INT8_STEPS]], np.float32)
    found_NK = unpack_scores(memoryview(pack_scores(scores_NK, "int8")), 4, "int8")
    np.testing.assert_array_equal(found_NK * INT8_STEPS, [[127, -128, 3, -3]])
