"""Codes feature maps of few bits in fewer bytes: what a neighbourhood looks like is not chance.

Each bit plane of each filter is coded row by row. How likely a bit is 1 follows from six bits
that are known already, those of the same plane around it

            e                a left     b above      c above left
          c b d              d above right           e two above
        f a x                f two left

by a table that comes with the bundle: 64 bytes a plane, each the probability in 1/256. The coder
is rANS (Duda 2013) with a state of 16 bits. It ends just where it has to, so that rows follow
one another without their lengths: two bytes of state, then bytes as they are needed.

Axes: N samples, P planes (filters times bits), H, W.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import WireError
from ddnn.topology import Shape

CONTEXTS = 64
_ABOVE = ((1, 0, 1), (2, -1, 1), (3, 1, 1), (5, 0, 2))  # (bit of the context, columns, rows up)
_LEFT = ((0, 1), (4, 2))  # (bit of the context, columns left)
_LOW = 256
"""The state lies between _LOW and 256 * _LOW; at the start and at the end it is _LOW."""
_STATE_BYTES = 2


class MapCoder:
    """Codes the maps of one node."""

    def __init__(self, shape: Shape, bits: int, table: bytes) -> None:
        """table: as of `fit_table`."""
        self._shape = shape
        self._bits = bits
        self._table = np.frombuffer(table, np.uint8).reshape(shape.F * bits, CONTEXTS)
        self._lists: list[list[int]] = self._table.tolist()

    @property
    def max_bytes(self) -> int:
        """No sample takes more: a bit costs at most one byte."""
        return self._shape.values * self._bits + _STATE_BYTES

    def encode(self, features_NFHW: NDArray[np.float32]) -> list[bytes]:
        """The samples' codes."""
        planes_NPHW = planes(features_NFHW, self._bits)
        which_P = np.arange(planes_NPHW.shape[1])[:, None, None]
        ones_NPHW = self._table[which_P, contexts(planes_NPHW)]
        return [
            _encode(bits.ravel().tolist(), ones.ravel().tolist())
            for bits, ones in zip(planes_NPHW, ones_NPHW, strict=True)
        ]

    def decode(self, data: bytes, rows: int) -> NDArray[np.float32]:
        """The features of `rows` samples whose codes fill `data`.

        Raises WireError when they do not.
        """
        planes_NPHW = np.empty((rows, len(self._lists), *self._shape[1:]), np.uint8)
        place = 0
        for row in range(rows):
            place = self._decode(data, place, planes_NPHW[row])
        if place != len(data):
            raise WireError("bad-length", f"codes of {len(data)} bytes, {place} of them used")
        return _joined(planes_NPHW, self._bits)

    def _decode(self, data: bytes, place: int, planes_PHW: NDArray[np.uint8]) -> int:
        """Fills the planes of one sample; gives the place of the next one's code."""
        state = int.from_bytes(data[place : place + _STATE_BYTES], "big")
        place += _STATE_BYTES
        height, width = self._shape[1:]
        missing = [0] * (width + 2)
        try:
            for plane, table in enumerate(self._lists):
                up = two_up = missing
                for y in range(height):
                    row, left, two_left = [], 0, 0
                    for x in range(width):
                        above = up[x] << 1 | up[x - 1] << 2 | up[x + 1] << 3 | two_up[x] << 5
                        one = table[left | above | two_left << 4]
                        low = state & 255
                        two_left = left
                        if low < one:
                            left = 1
                            state = one * (state >> 8) + low
                        else:
                            left = 0
                            state = (256 - one) * (state >> 8) + low - one
                        while state < _LOW:
                            state = state << 8 | data[place]
                            place += 1
                        row.append(left)
                    planes_PHW[plane, y] = row
                    two_up, up = up, [*row, 0, 0]
        except IndexError:
            raise WireError("bad-length", f"a code goes on after {len(data)} bytes") from None
        if state != _LOW:
            raise WireError("bad-value", f"a code that ends at {state}, want {_LOW}")
        return place


def fit_table(features_NFHW: NDArray[np.float32], bits: int) -> bytes:
    """How likely each plane's bits are after each context, as these samples show."""
    planes_NPHW = planes(features_NFHW, bits)
    count = planes_NPHW.shape[1]
    places = contexts(planes_NPHW).astype(np.int64)
    places += CONTEXTS * np.arange(count)[:, None, None]
    ones = np.bincount(places[planes_NPHW == 1], minlength=count * CONTEXTS)
    total = np.bincount(places.ravel(), minlength=count * CONTEXTS)
    shares = (ones + 0.5) / (total + 1)
    return np.clip(np.rint(shares * 256), 1, 255).astype(np.uint8).tobytes()


def planes(features_NFHW: NDArray[np.float32], bits: int) -> NDArray[np.uint8]:
    """(N, P, H, W) of 0 and 1: for each filter its bits, the highest first."""
    if bits == 1:
        return (features_NFHW > 0).astype(np.uint8)
    codes = np.rint(features_NFHW * np.float32(2**bits - 1)).astype(np.uint8)
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint8)[:, None, None]
    found: NDArray[np.uint8] = (codes[:, :, None] >> shifts) & np.uint8(1)
    count, filters, *size = codes.shape
    return found.reshape(count, filters * bits, *size)


def contexts(planes_NPHW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What surrounds each bit, as the number of the table's column; beyond the border is 0."""
    height, width = planes_NPHW.shape[2:]
    padded = np.pad(planes_NPHW, ((0, 0), (0, 0), (2, 0), (2, 2)))
    found = np.zeros_like(planes_NPHW)
    for bit, columns, up in _ABOVE:
        found |= padded[:, :, 2 - up : 2 - up + height, 2 + columns : 2 + columns + width] << bit
    for bit, columns in _LEFT:
        found |= padded[:, :, 2:, 2 - columns : 2 - columns + width] << bit
    return found


def _joined(planes_NPHW: NDArray[np.uint8], bits: int) -> NDArray[np.float32]:
    """The inverse of `planes`."""
    if bits == 1:
        return planes_NPHW.astype(np.float32) * 2 - 1
    count, every, *size = planes_NPHW.shape
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint8)[:, None, None]
    parts = planes_NPHW.reshape(count, every // bits, bits, *size) << shifts
    codes: NDArray[np.float32] = parts.sum(axis=2).astype(np.float32)
    return codes / np.float32(2**bits - 1)


def _encode(bits: list[int], ones: list[int]) -> bytes:
    """Last bit first, so that the decoder finds the first one first."""
    state, code = _LOW, bytearray()
    for bit, one in zip(reversed(bits), reversed(ones), strict=True):
        share, start = (one, 0) if bit else (256 - one, one)
        while state >= _LOW * share:
            code.append(state & 255)
            state >>= 8
        state = (state // share << 8) + state % share + start
    code += state.to_bytes(_STATE_BYTES, "little")
    code.reverse()
    return bytes(code)
