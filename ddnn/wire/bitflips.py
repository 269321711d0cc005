"""Bits of a payload flipped on the way, as on a link that neither protects nor checks them.

Header, sample numbers and presence are left as they are, as a link does that protects what it
addresses by alone (UDP-Lite, say), and the checksum becomes that of what arrives. So the receiver
believes the message: `corrupt` is the link whose errors are noticed.
"""

from __future__ import annotations

import zlib

import numpy as np

from ddnn.wire.header import CHECKSUM_AT, HEADER
from ddnn.wire.messages import Kind

_WITH_PAYLOAD = frozenset({int(Kind.SCORES), int(Kind.FEATURES)})


def flipped(data: bytes, *, rate: float, seed: int, head_bytes: int) -> bytes:
    """The message with each bit of its scores or features flipped with probability `rate`.

    head_bytes: of a row before its payload, see Codec. Other messages stay as they are.
    """
    if len(data) < HEADER.size or data[1] not in _WITH_PAYLOAD:
        return data
    start = HEADER.size + data[2] * head_bytes
    payload = with_errors(data[start:], rate=rate, seed=seed)
    body = data[HEADER.size : start] + payload
    return _resealed(data, body)


def with_errors(payload: bytes, *, rate: float, seed: int) -> bytes:
    """The bytes, each bit flipped with probability `rate`, by itself."""
    is_hit = np.random.default_rng(seed).random(len(payload) * 8) < rate
    damaged = np.frombuffer(payload, np.uint8) ^ np.packbits(is_hit, bitorder="little")
    return damaged.tobytes()


def _resealed(data: bytes, body: bytes) -> bytes:
    """The message with another body of its length.

    What a change of some bits does to a CRC does not depend on what it began with: the key with
    which the sender sealed the message need not be known.
    """
    change = zlib.crc32(data[HEADER.size :]) ^ zlib.crc32(body)
    checksum = int.from_bytes(data[CHECKSUM_AT : HEADER.size], "little") ^ change
    return data[:CHECKSUM_AT] + checksum.to_bytes(4, "little") + body
