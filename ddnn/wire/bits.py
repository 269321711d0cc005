"""Packs feature values at 1, 2, 4, 8 or 32 bits each, and scores, and back without loss.

Values are those the bundle promises: -1 or +1 for 1 bit, multiples of 1/(2^k - 1) in [0, 1] for
k = 2, 4, 8, any float32 for 32. A row is one sample; each row fills whole bytes, lowest bit first.

Scores are float32, or already rounded to float16 or to the steps of int8 (topology.INT8_STEPS).

Axes: N samples, K classes, X values of one sample, B bytes of one sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.topology import INT8_STEPS, ScoreType

_SCORES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "int8": np.dtype("i1"),
}


def packed_bytes(values: int, bits: int) -> int:
    """B: bytes of one sample."""
    return math.ceil(values * bits / 8)


def pack(values_NX: NDArray[np.float32], bits: int) -> NDArray[np.uint8]:
    """The rows packed, (N, B)."""
    if bits == 1:
        return np.packbits(values_NX > 0, axis=1, bitorder="little")
    if bits == 32:
        return np.ascontiguousarray(values_NX, dtype="<f4").view(np.uint8)
    codes_NX = np.rint(values_NX * np.float32(2**bits - 1)).astype(np.uint8)
    return join_codes(codes_NX, bits)


def unpack(packed_NB: NDArray[np.uint8], values: int, bits: int) -> NDArray[np.float32]:
    """The values of packed rows, (N, X)."""
    if bits == 1:
        ones_NX = np.unpackbits(packed_NB, axis=1, count=values, bitorder="little")
        return ones_NX.astype(np.float32) * 2 - 1
    if bits == 32:
        return np.ascontiguousarray(packed_NB).view("<f4").astype(np.float32, copy=False)
    codes_NX = split_codes(packed_NB, bits)[:, :values]
    return codes_NX.astype(np.float32) / np.float32(2**bits - 1)


def pack_scores(scores_NK: NDArray[np.float32], score_type: ScoreType) -> bytes:
    """The rows one after the other."""
    if score_type == "int8":
        scores_NK = np.clip(np.rint(scores_NK * np.float32(INT8_STEPS)), -128, 127)
    return scores_NK.astype(_SCORES[score_type], copy=False).tobytes()


def unpack_scores(packed: memoryview, classes: int, score_type: ScoreType) -> NDArray[np.float32]:
    """The scores of packed rows, (N, K)."""
    codes_NK = np.frombuffer(packed, _SCORES[score_type]).reshape(-1, classes)
    scores_NK: NDArray[np.float32] = codes_NK.astype(np.float32, copy=False)
    return scores_NK / np.float32(INT8_STEPS) if score_type == "int8" else scores_NK


def pack_views(views_N: Sequence[int], mask_bytes: int) -> bytes:
    """Which views have a part in each row, mask_bytes a row: bit v for view v."""
    return b"".join([views.to_bytes(mask_bytes, "little") for views in views_N])


def unpack_views(packed: memoryview, mask_bytes: int) -> tuple[int, ...]:
    """The inverse."""
    starts = range(0, len(packed), mask_bytes)
    return tuple([int.from_bytes(packed[i : i + mask_bytes], "little") for i in starts])


def join_codes(codes_NX: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """k-bit codes, 8/k to a byte, the first in the lowest bits."""
    per_byte = 8 // bits
    if per_byte == 1:
        return codes_NX
    rows, values = codes_NX.shape
    padded_NX = np.zeros((rows, math.ceil(values / per_byte) * per_byte), dtype=np.uint8)
    padded_NX[:, :values] = codes_NX
    packed_NB = padded_NX[:, ::per_byte].copy()
    for place in range(1, per_byte):
        packed_NB |= padded_NX[:, place::per_byte] << np.uint8(place * bits)
    return packed_NB


def split_codes(packed_NB: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The k-bit codes of packed rows, padding included."""
    per_byte = 8 // bits
    if per_byte == 1:
        return packed_NB
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    codes = (packed_NB[:, :, None] >> shifts) & np.uint8(2**bits - 1)
    return codes.reshape(len(packed_NB), packed_NB.shape[1] * per_byte)


def symbol_counts(packed_NB: NDArray[np.uint8], bits: int) -> NDArray[np.int64]:
    """How often each symbol occurs: 2^k codes for k bits, 256 byte values for 32 bits.

    What fills up a row counts as well: zeros.
    """
    if bits == 1:
        ones = int.from_bytes(packed_NB.tobytes(), "little").bit_count()
        return np.array([packed_NB.size * 8 - ones, ones], dtype=np.int64)
    symbols = packed_NB if bits in (8, 32) else split_codes(packed_NB, bits)
    return np.bincount(symbols.ravel(), minlength=256 if bits == 32 else 2**bits)


def entropy_bytes(counts: NDArray[np.int64]) -> float:
    """Information of the counted symbols in bytes: what an ideal order-0 coder would need."""
    counts = counts[counts > 0]
    total = counts.sum()
    return float(-(counts * np.log2(counts / total)).sum() / 8) if total else 0.0
