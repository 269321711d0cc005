from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import ADDRESSES, Fleet
from networks import Trainer
from spaces import Net, built


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def net() -> Iterator[Net]:
    """The hosts of `deployed`, each with an address of its own."""
    yield from built(ADDRESSES)


@pytest.fixture
def kind() -> type[Fleet]:
    """Of `fleet`; a module may have another."""
    return Fleet


@pytest.fixture
def fleet(kind: type[Fleet], net: Net, tmp_path: Path) -> Iterator[Fleet]:
    found = kind(net, tmp_path)
    yield found
    found.close()
