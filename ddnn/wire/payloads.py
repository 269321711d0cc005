"""The payload of scores and features: as many bytes as the topology's options for their sender say.

A row in which no view has a part brings none: its sender lives, but sees nothing.

Axes: N rows of a message, R rows that bring something, K classes, F filters, H, W.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ddnn.coding.coders import FeatureCoder, coder_of
from ddnn.errors import WireError
from ddnn.topology import GATEWAY, Topology
from ddnn.wire.bits import pack, pack_scores, unpack, unpack_scores
from ddnn.wire.messages import Kind, Views

FEW = 32
"""Values of one message up to which plain numbers are faster than arrays."""


class Payloads:
    """Packs and unpacks for one topology."""

    def __init__(self, topology: Topology, tables: Mapping[str, bytes] | None) -> None:
        """tables: of the nodes whose features are entropy-coded, by name."""
        nodes = [name for name, node in topology.nodes.items() if node.role != GATEWAY]
        self._classes = len(topology.classes)
        self._score_types = {name: topology.score_type(name) for name in nodes}
        self._score_bytes = {name: topology.score_bytes(name) for name in nodes}
        self._shapes = {name: topology.feature_shape(name) for name in nodes}
        self._bits = {name: topology.section(name).sent_bits for name in nodes}
        self._feature_bytes = {name: topology.feature_bytes(name) for name in nodes}
        self._coders: dict[str, FeatureCoder] = {}
        for name in nodes:
            coder = coder_of(topology, name, (tables or {}).get(topology.original(name)))
            if coder is not None:
                self._coders[name] = coder

    @property
    def max_row_bytes(self) -> int:
        """No row takes more."""
        coded = [coder.max_bytes for coder in self._coders.values()]
        return max(*self._score_bytes.values(), *self._feature_bytes.values(), *coded)

    def symbols(self, kind: Kind, sender: str) -> tuple[int, int]:
        """Of scores or features of `sender`: bits of a symbol, and how many fill up a row.

        32 bits: the symbols are bytes.
        """
        if kind is Kind.SCORES:
            return 8 if self._score_types[sender] == "int8" else 32, 0
        if sender in self._coders:
            return 32, 0
        bits = self._bits[sender]
        return bits, self._feature_bytes[sender] * 8 // bits - self._shapes[sender].values

    def wanted_bytes(self, kind: Kind, sender: str, rows: int) -> int | None:
        """What R rows take, None where only the decoder can tell."""
        if kind is Kind.SCORES:
            return rows * self._score_bytes[sender]
        return None if sender in self._coders else rows * self._feature_bytes[sender]

    def pack_scores(self, sender: str, scores_RK: NDArray[np.float32]) -> bytes:
        """The rows that bring something, one after the other."""
        return pack_scores(scores_RK, self._score_types[sender])

    def unpack_scores(self, sender: str, data: memoryview) -> NDArray[np.float32]:
        """The inverse. Raises WireError for numbers that are none."""
        return finite(unpack_scores(data, self._classes, self._score_types[sender]))

    def pack_features(self, sender: str, features_RFHW: NDArray[np.float32]) -> bytes:
        """The rows that bring something, one after the other."""
        if sender in self._coders:
            return b"".join(self._coders[sender].encode(features_RFHW))
        values_RX = features_RFHW.reshape(len(features_RFHW), self._shapes[sender].values)
        return pack(values_RX, self._bits[sender]).tobytes()

    def unpack_features(self, sender: str, data: memoryview, rows: int) -> NDArray[np.float32]:
        """The inverse. Raises WireError for what cannot be such rows."""
        if sender in self._coders:
            return self._coders[sender].decode(bytes(data), rows)
        shape, bits = self._shapes[sender], self._bits[sender]
        packed_RB = np.frombuffer(data, np.uint8).reshape(rows, self._feature_bytes[sender])
        values_RX = unpack(packed_RB, shape.values, bits)
        return (finite(values_RX) if bits == 32 else values_RX).reshape(rows, *shape)


def filled_count(views_N: Views) -> int:
    """R: how many of the rows bring something."""
    return len(views_N) - views_N.count(0)


def filled(values: NDArray[np.float32], views_N: Views) -> NDArray[np.float32]:
    """The rows (R, ...) that bring something."""
    return values[np.array(views_N, dtype=bool)] if 0 in views_N else values


def every_row(values: NDArray[np.float32], views_N: Views) -> NDArray[np.float32]:
    """(N, ...): the rows as received, with zeros for those that brought nothing."""
    if 0 not in views_N:
        return values
    everything = np.zeros((len(views_N), *values.shape[1:]), dtype=np.float32)
    everything[np.array(views_N, dtype=bool)] = values
    return everything


def finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values. Raises WireError for NaN or infinity among them."""
    if not _is_finite(values):
        raise WireError("not-finite", "NaN or infinity among the values")
    return values


def _is_finite(values: NDArray[np.float32]) -> bool:
    if values.size <= FEW:  # a sum of so few float32 is finite as a float64 if they are
        return math.isfinite(sum(values.ravel().tolist()))
    return bool(np.logical_and.reduce(np.isfinite(values), axis=None))  # half of what .all() takes
