import pytest
from builders import star_topology
from networks import Trainer

from ddnn.simulation.profile import Cost, Profile
from ddnn.simulation.simulation import Laboratory


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def laboratory(train: Trainer) -> Laboratory:
    """Three devices, a gateway, a cloud."""
    trained = train(star_topology(), 60)
    return Laboratory(trained.bundle, trained.samples.views, Profile())


@pytest.fixture(scope="session")
def slow_laboratory(laboratory: Laboratory) -> Laboratory:
    """The same, at 50 samples a second: few samples see much of virtual time."""
    profile = Profile(engines={"cam0": Cost(fixed_us=20_000)})
    return Laboratory(laboratory.bundle, laboratory.views, profile)
