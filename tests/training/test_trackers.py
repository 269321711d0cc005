"""A training's curves in TensorBoard and MLflow."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tiny import make_topology

import ddnn
from ddnn.cli.train import command
from ddnn.errors import ConfigError
from ddnn.training import trackers
from ddnn.training.epoch import Epoch
from ddnn.training.trackers import Tracking

needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs ddnn[{name}]")
    for name in ("tensorboard", "mlflow")
}


class Session:
    """A tiny topology and card as files, and the command that trains them."""

    def __init__(self, folder: Path, card: Path) -> None:
        self.run = folder / "run"
        self._arguments = [str(folder / "tiny-topology.yaml"), "--data", str(card)]
        document = make_topology().model_dump(mode="json", by_alias=True)
        (folder / "tiny-topology.yaml").write_text(yaml.safe_dump(document))

    def train(self, *options: str) -> None:
        arguments = [*self._arguments, "--out", str(self.run), "--epochs", "2", *options]
        done = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output


@pytest.fixture
def session(tmp_path: Path, card: Path) -> Session:
    return Session(tmp_path, card)


def history(run: Path, key: str) -> list[float]:
    return [json.loads(line)[key] for line in (run / "history.jsonl").read_text().splitlines()]


@needs["tensorboard"]
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_the_runs_own_history(session):
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415
        EventAccumulator,
    )

    for _ in range(2):  # a run that is replaced leaves nothing of itself there
        session.train("--tracker", "tensorboard", "--overwrite")
    found = EventAccumulator(str(session.run / "tensorboard")).Reload()
    losses = found.Scalars("loss")
    assert [event.step for event in losses] == [1, 2]
    assert [event.value for event in losses] == pytest.approx(
        history(session.run, "loss"), rel=1e-6
    )
    assert {"validation accuracy/local", "test accuracy", "test payload bytes"} <= set(
        found.Tags()["scalars"]
    )


@needs["mlflow"]
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_the_runs_own_history_in_one_file_beside_it(session, tmp_path):
    from mlflow.tracking import MlflowClient  # noqa: PLC0415

    session.train("--tracker", "mlflow")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'ddnn'")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "run"
    assert found.info.status == "FINISHED"
    assert found.data.params["topology"] == "c-devices-cloud"
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert [m.value for m in losses] == pytest.approx(history(session.run, "loss"))
    assert "test accuracy" in found.data.metrics


@needs["tensorboard"]
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_training_from_python_is_tracked_too(tmp_path, card):
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415
        EventAccumulator,
    )

    told: list[int] = []
    run = ddnn.train(
        make_topology(),
        data=card,
        out=tmp_path / "run",
        epochs=2,
        tracker="tensorboard",
        on_epoch=lambda epoch: told.append(epoch.epoch),
    )
    found = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("loss")] == told == [1, 2]


def test_a_tracker_that_there_is_not_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="tracker 'wandb': want one of tensorboard, mlflow"):
        Tracking(["wandb"], tmp_path)


class Broken:
    """A store that is gone after the first epoch."""

    def __init__(self, _folder: Path) -> None:
        self.logged: list[int] = []

    def begin(self, settings: dict[str, str]) -> None:
        assert settings["topology"]

    def log(self, figures: dict[str, float], epoch: int) -> None:
        if self.logged:
            raise OSError("database is locked")
        self.logged.append(epoch)

    def end(self) -> None:
        raise AssertionError("it is left alone")


def test_a_tracker_that_fails_is_told_once_and_ends_no_training(session, monkeypatch):
    session.train()
    monkeypatch.setitem(trackers._TRACKERS, "mlflow", Broken)
    said: list[str] = []
    tracking = Tracking(["mlflow"], session.run, said.append)
    for number in (1, 2, 3):
        tracking.epoch(
            Epoch(epoch=number, seconds=1.0, loss=1.0, learning_rate=0.1, accuracy={},
                  validation_loss=1.0, trend=1.0, is_best=True)
        )  # fmt: skip
    tracking.end()
    assert said == ["--tracker mlflow: database is locked; it is left alone"]


def test_a_tracker_that_is_not_installed_is_one_line(tmp_path, monkeypatch):
    def missing(_folder: Path) -> trackers.Tracker:
        raise ImportError("No module named 'mlflow'", name="mlflow")

    monkeypatch.setitem(trackers._TRACKERS, "mlflow", missing)
    with pytest.raises(ConfigError, match=r"mlflow is not installed.*'\.\[mlflow\]'"):
        Tracking(["mlflow"], tmp_path)


def test_without_a_tracker_nothing_is_left_and_nothing_imported(tmp_path):
    tracking = Tracking([], tmp_path)
    tracking.end({"accuracy": 1})
    assert list(tmp_path.iterdir()) == []
