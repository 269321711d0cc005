"""Whether a data set is what a topology's devices see: asked by training and by launches."""

from __future__ import annotations

from collections.abc import Iterable

from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError, DataError
from ddnn.topology import Topology


def check_fits(topology: Topology, samples: MultiView) -> None:
    """Raises ConfigError when the data set is not what the topology's devices see.

    Raises DataError when there is no sample at all.
    """
    wanted = (topology.views, *topology.view.shape)
    got = samples.views_NVCHW.shape[1:]
    if got != wanted:
        raise ConfigError(
            f"{topology.name}: the data set has views x channels x height x width "
            f"{_sizes(got)}, the topology wants {_sizes(wanted)}"
        )
    if samples.classes != topology.classes:
        raise ConfigError(
            f"{topology.name}: the data set has classes {list(samples.classes)}, the topology "
            f"wants {list(topology.classes)}"
        )
    if not len(samples):
        raise DataError("no samples in this split, want at least one")


def _sizes(sizes: Iterable[int]) -> str:
    return " x ".join(map(str, sizes))
