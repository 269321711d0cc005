from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_samples, make_topology

from ddnn.data.multiview import DataSet, Split
from ddnn.topology import Topology
from ddnn.training.settings import Settings, settings_for

torch.set_num_threads(1)


@pytest.fixture
def topology() -> Topology:
    return make_topology()


@pytest.fixture
def data() -> DataSet:
    order = np.arange(96)
    return DataSet(
        name="tiny",
        samples=make_samples(96),
        split=Split(train=order[:48], validation=order[48:72], test=order[72:]),
        digest="0" * 64,
    )


@pytest.fixture
def misled(data) -> DataSet:
    """The same, whose validation labels are of other classes: the first epochs are the best."""
    labels_NV = data.samples.labels_NV.copy()
    held_out_NV = labels_NV[data.split.validation]
    labels_NV[data.split.validation] = np.where(held_out_NV < 0, -1, (held_out_NV + 1) % 3)
    return replace(data, samples=replace(data.samples, labels_NV=labels_NV))


@pytest.fixture
def settings() -> Settings:
    return settings_for("robust", epochs=3, batch=16)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The same data as files."""
    samples = make_samples(96)
    split = np.repeat([0, 1, 2], [48, 24, 24])
    labels = samples.labels_NV
    np.savez(tmp_path / "tiny.npz", X=samples.views_NVCHW, y=labels, split=split)
    path = tmp_path / "tiny.yaml"
    path.write_text("kind: npz\npath: tiny.npz\nclasses: [red, green, blue]\nsplit: {by: file}\n")
    return path
