"""`ddnn train`: every option says something about the training that follows."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tiny import make_topology

from ddnn.cli.train import command
from ddnn.training.run import read_config

GIVEN: dict[str, tuple[tuple[object, ...], object]] = {
    "epochs": ((1,), 1),
    "batch": ((12,), 12),
    "learning_rate": ((0.02,), 0.02),
    "device_dropout": ((0.1,), 0.1),
    "dropout_by": (("count",), "count"),
    "distillation": ((0.5,), 0.5),
    "evaluate_every": ((3,), 3),
    "augment": (("scene",), "scene"),
    "view_mixing": ((0.2,), 0.2),
    "weight_decay": ((0.01,), 0.01),
    "precision": (("bfloat16",), "bfloat16"),
    "freeze": (("device.trunk",), ("device.trunk",)),
    "exit_weights": (("local", 0.5), {"local": 0.5}),
    "tier_rates": (("cloud", 0.5), {"cloud": 0.5}),
}
"""By setting: what is given, and what it is in the run."""
OTHERS = {"preset", "seed", "topology", "card", "out"}
NO_SETTINGS = {"start_from", "overwrite", "resume", "as_json", "tracker_names"}
"""Those of the command that are tried with runs, in test_run and test_trackers."""


@pytest.fixture
def topology_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-topology.yaml"
    path.write_text(yaml.safe_dump(make_topology().model_dump(mode="json")))
    return path


def test_every_option_reaches_the_run(tmp_path, topology_file, card):
    options = {parameter.name: parameter for parameter in command.params}
    assert set(options) == set(GIVEN) | OTHERS | NO_SETTINGS
    words = [topology_file, "--data", card, "--out", tmp_path / "run"]
    words += ["--preset", "paper", "--seed", 7]
    for name, (values, _) in GIVEN.items():
        words += [max(options[name].opts, key=len), *values]
    result = CliRunner().invoke(command, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    config = read_config(tmp_path / "run")
    found = {name: getattr(config.settings, name) for name in GIVEN}
    assert found == {name: wanted for name, (_, wanted) in GIVEN.items()}
    assert (config.settings.preset, config.settings.clip_norms, config.seed) == ("paper", True, 7)
    assert (config.card, config.topology) == (str(card), make_topology())
