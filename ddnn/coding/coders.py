"""Which coder a node's features take, where their size depends on their content.

Axes: N samples, F filters, H, W.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.coding.entropy import MapCoder
from ddnn.errors import ConfigError
from ddnn.topology import Topology


class FeatureCoder(Protocol):
    """Features to bytes and back. Codes follow one another without anything between them."""

    @property
    def max_bytes(self) -> int:
        """No sample takes more."""

    def encode(self, features_NFHW: NDArray[np.float32]) -> list[bytes]:
        """The samples' codes."""

    def decode(self, data: bytes, rows: int) -> NDArray[np.float32]:
        """The features of `rows` samples whose codes fill `data`. Raises WireError."""


def coder_of(topology: Topology, name: str, table: bytes | None = None) -> FeatureCoder | None:
    """The coder of a node's features, None where they are packed as they are.

    table: where they are entropy-coded.
    Raises ConfigError where views travel as JPEG and Pillow is not installed.
    """
    shape = topology.feature_shape(name)
    match topology.feature_code(name):
        case "raw-bits":
            return None
        case "entropy-coded":
            return MapCoder(shape, topology.section(name).sent_bits, table or b"")
        case "jpeg":
            try:
                jpeg: Any = import_module("ddnn.coding.jpeg")
            except ImportError as error:
                raise ConfigError(f"{name}: features: jpeg needs Pillow, want it") from error
            coder: FeatureCoder = jpeg.JpegCoder(shape)
            return coder
