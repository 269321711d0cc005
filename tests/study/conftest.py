from pathlib import Path

import pytest

import ddnn

CARD = """\
kind: rendered
samples: 40
seed: 3
classes: [car, bus, person]
split: {by: sample, validation: 0.2, test: 0.4, seed: 0}
"""


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few samples of six cameras."""
    path = tmp_path_factory.mktemp("cards") / "few.yaml"
    path.write_text(CARD)
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, card: Path) -> Path:
    """A network that has learnt a little, so that subsets differ."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    ddnn.train("six-cameras", data=card, out=folder, epochs=2)
    return folder
