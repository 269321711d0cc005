"""What methods are compared on: fixed splits of data sets, and how their samples weigh.

Axes: N samples, V views.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.data.checks import check_trainable, part_of
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView
from ddnn.errors import ConfigError

TASKS = (
    "digits",
    "rendered",
    "epfl-by-object",
    "cifar10-jpeg-tiles",
    "mnist-tiles",
    "cifar10-tiles",
)
"""Cards that ship with ddnn. The first two need no data, the next two files (datasets/README.md),
the last two a download, or the set under $DDNN_DATA."""
MAX_DEVICES = 8
"""Every set of lost devices is tried: 255 of 8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """A data set with its split. card: what it was loaded from."""

    card: str
    data: DataSet

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def test(self) -> MultiView:
        return self.data.part("test")

    @property
    def devices(self) -> int:
        return len(self.data.view_names)

    @property
    def commonest(self) -> int:
        """The commonest class in training: the answer where nothing arrives."""
        return int(np.bincount(self.data.part("train").fused_labels_N).argmax())

    @property
    def clusters_N(self) -> NDArray[np.int64]:
        """Of each test sample, which thing it shows: its object where objects are known, else a
        thing of its own."""
        test = self.data.split.test
        if self.data.objects_N is None:
            return np.arange(len(test))
        return np.asarray(np.unique(self.data.objects_N[test], return_inverse=True)[1])

    @property
    def weights_N(self) -> NDArray[np.float64]:
        """Of the test samples, adding up to 1: each object weighs the same."""
        clusters_N = self.clusters_N
        sizes = np.bincount(clusters_N)
        return np.asarray(1 / (sizes[clusters_N] * len(sizes)))


def read_task(name: str | Path) -> Task:
    """A task of this name, or any other card.

    Raises ConfigError for a card with too many views, DataError for one that cannot be trained
    and tested on.
    """
    data = load(name)
    part_of(data, "test", card=name)
    check_trainable(data, card=name)
    if len(data.view_names) > MAX_DEVICES:
        raise ConfigError(f"{name}: {len(data.view_names)} views, want at most {MAX_DEVICES}")
    return Task(card=str(name), data=data)
