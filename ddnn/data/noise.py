"""Views of noise: for measuring what does not depend on what they show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.data.views import Views
from ddnn.topology import Topology, View

REACH = 64
"""Standard deviation of a sensor's noise."""


def random_views(topology: Topology, samples: int) -> Views:
    """What the devices of the topology might see; the same at each call."""
    rng = np.random.default_rng(0)
    kinds = (topology.view_of(device) for device in topology.devices)
    return Views(tuple(_noise(rng, kind, samples) for kind in kinds))


def _noise(rng: np.random.Generator, kind: View, samples: int) -> NDArray[Any]:
    shape = (samples, *kind.shape)
    if kind.type == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.normal(0, REACH, shape).astype(kind.type)
