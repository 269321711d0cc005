"""N samples, F filters, H, W."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.coding.entropy import CONTEXTS, MapCoder, fit_table
from ddnn.errors import WireError
from ddnn.topology import Shape
from ddnn.wire.bits import packed_bytes

SHAPE = Shape(2, 5, 7)


def maps(shape: Shape, bits: int, seed: int, rows: int = 3) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 2**bits, (rows, *shape)).astype(np.float32)
    return codes * 2 - 1 if bits == 1 else codes / np.float32(2**bits - 1)


def patches(rows: int, seed: int = 0) -> np.ndarray:
    """Maps of one bit in which neighbours are mostly alike."""
    coarse = maps(Shape(4, 4, 4), 1, seed, rows)
    smooth = coarse.repeat(4, axis=2).repeat(4, axis=3)
    noise = np.random.default_rng(seed + 1).random(smooth.shape) < 0.02
    return np.where(noise, -smooth, smooth)


@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 4, 8]),
    st.tuples(*[st.integers(1, 6)] * 3).map(lambda sizes: Shape(*sizes)),
    st.integers(0, 4),
)
def test_what_is_decoded_is_what_was_encoded(seed, bits, shape, rows):
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 256, shape.F * bits * CONTEXTS, dtype=np.uint8).tobytes()
    coder, features = MapCoder(shape, bits, table), maps(shape, bits, seed, rows)
    codes = coder.encode(features)
    np.testing.assert_array_equal(coder.decode(b"".join(codes), rows), features)
    assert all(len(code) <= coder.max_bytes for code in codes)


@given(st.binary(max_size=200), st.integers(1, 3))
def test_random_bytes_are_refused_or_decoded_and_never_anything_else(data, rows):
    coder = MapCoder(SHAPE, 1, fit_table(maps(SHAPE, 1, 0), 1))
    try:
        decoded = coder.decode(data, rows)
    except WireError:
        return
    assert b"".join(coder.encode(decoded)) == data


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_code_cut_short_or_long_is_refused(cut):
    coder = MapCoder(SHAPE, 1, fit_table(maps(SHAPE, 1, 0), 1))
    code = b"".join(coder.encode(maps(SHAPE, 1, 5)))
    for damaged in (code[:-cut], code + bytes(cut)):
        with pytest.raises(WireError):
            coder.decode(damaged, 3)


def test_maps_whose_neighbours_are_alike_take_two_fifths_of_their_bits():
    coder = MapCoder(Shape(4, 16, 16), 1, fit_table(patches(60), 1))
    unseen = patches(40, seed=9)
    mean_bytes = np.mean([len(code) for code in coder.encode(unseen)])
    assert mean_bytes < 0.4 * packed_bytes(4 * 16 * 16, 1)


def test_noise_costs_little_more_than_its_bits():
    shape = Shape(4, 16, 16)
    coder = MapCoder(shape, 1, fit_table(maps(shape, 1, 0, 200), 1))
    sizes = [len(code) for code in coder.encode(maps(shape, 1, 1, 40))]
    assert np.mean(sizes) < 1.04 * packed_bytes(shape.values, 1)
