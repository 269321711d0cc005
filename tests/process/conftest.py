import pytest
from networks import Trainer


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))
