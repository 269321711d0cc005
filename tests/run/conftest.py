from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import random_views
from networks import random_bundle, random_joint

from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.model.joint import Joint
from ddnn.topology import Topology


class Trained(NamedTuple):
    """What a training run would leave, but with random weights."""

    joint: Joint
    bundle: Bundle
    samples: MultiView


Train = Callable[[Topology, int], Trained]


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A bundle of a topology and samples for it; the same topology gives the same bundle."""
    known: dict[tuple[str, int], Trained] = {}

    def make(topology: Topology, count: int) -> Trained:
        key = (topology.digest, count)
        if key not in known:
            folder: Path = tmp_path_factory.mktemp(topology.name) / "bundle"
            samples = random_views(topology, count)
            joint = random_joint(topology, samples)
            known[key] = Trained(joint, random_bundle(folder, joint, samples), samples)
        return known[key]

    return make
