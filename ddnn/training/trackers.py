"""Experiment trackers: a training's curves in TensorBoard or MLflow, beside the run's own files.

Off unless asked for. A tracker that fails is told once and then left alone: the training goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from ddnn.errors import ConfigError
from ddnn.training.epoch import Epoch, OnEpoch
from ddnn.training.run import read_config

TrackerName = Literal["tensorboard", "mlflow"]
TENSORBOARD = "tensorboard"
"""Folder in a run's folder."""
MLFLOW_FILE = "mlflow.db"
"""Beside the run's folder, so that runs that lie together are compared."""
EXPERIMENT = "ddnn"

Figures = Mapping[str, float]


class Tracker(Protocol):
    """Where a training's figures go."""

    def begin(self, settings: Mapping[str, str]) -> None:
        """What the run follows from; before the first figures."""

    def log(self, figures: Figures, epoch: int) -> None:
        """Figures after an epoch."""

    def end(self) -> None:
        """No more will come."""


class TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(self, folder: Path) -> None:
        """Raises ImportError where it is not installed."""
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  # of an extra

        self._make: Callable[..., Any] = SummaryWriter
        self._folder = folder / TENSORBOARD
        self._writer: Any = None

    def begin(self, settings: Mapping[str, str]) -> None:
        """See Tracker."""
        for old in self._folder.glob("events.out.tfevents.*"):
            if not int(settings["epochs done"]):
                old.unlink()  # of a run that this one replaces
        self._writer = self._make(self._folder, purge_step=int(settings["epochs done"]) + 1)
        lines = (f"| {name} | {value} |" for name, value in settings.items())
        self._writer.add_text("settings", "\n".join(["| | |", "|---|---|", *lines]))

    def log(self, figures: Figures, epoch: int) -> None:
        """See Tracker."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self) -> None:
        """See Tracker."""
        self._writer.close()


class MLflow:
    """A run in the store that MLFLOW_TRACKING_URI names, else in a file beside the run's folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ImportError where it is not installed."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves this machine
        from mlflow.tracking import MlflowClient  # noqa: PLC0415  # of an extra

        file = folder.absolute().parent / MLFLOW_FILE
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{file}"
        self._make: Callable[..., Any] = MlflowClient
        self._uri, self._folder = uri, folder
        self._client: Any = None
        self._run = ""

    def begin(self, settings: Mapping[str, str]) -> None:
        """See Tracker."""
        self._client = self._make(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
        run = self._client.create_run(experiment, run_name=self._folder.name)
        self._run = run.info.run_id
        for name, value in settings.items():
            self._client.log_param(self._run, name, value)

    def log(self, figures: Figures, epoch: int) -> None:
        """See Tracker."""
        for name, value in figures.items():
            self._client.log_metric(self._run, name, value, step=epoch)

    def end(self) -> None:
        """See Tracker."""
        self._client.set_terminated(self._run)


_TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoard, "mlflow": MLflow}


class Tracking:
    """Any number of trackers of one run, begun after its first epoch, when its folder is there."""

    def __init__(
        self, names: Sequence[str], folder: Path, say: Callable[[str], None] = lambda _line: None
    ) -> None:
        """say: told what fails. Raises ConfigError for a tracker that is not there."""
        self._folder, self._say = folder, say
        self._trackers: dict[str, Tracker] = {}
        self._has_begun = False
        self._last = 0
        for name in dict.fromkeys(names):
            if name not in _TRACKERS:
                raise ConfigError(f"tracker {name!r}: want one of {', '.join(_TRACKERS)}")
            try:
                self._trackers[name] = _TRACKERS[name](folder)
            except ImportError as error:
                raise ConfigError(
                    f"--tracker {name}: {error.name} is not installed, want the extra `{name}`: "
                    f"pip install '.[{name}]' in a checkout of ddnn"
                ) from error

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def epoch(self, epoch: Epoch) -> None:
        """One more."""
        if not self._has_begun:
            self._has_begun = True
            settings = _settings(self._folder, done=epoch.epoch - 1)
            self._each(lambda tracker: tracker.begin(settings))
        self._last = epoch.epoch
        figures = {
            "loss": epoch.loss,
            "learning rate": epoch.learning_rate,
            "seconds": epoch.seconds,
            **{f"validation accuracy/{name}": value for name, value in epoch.accuracy.items()},
        }
        if epoch.validation_loss is not None:
            figures["validation loss"] = epoch.validation_loss
        self._each(lambda tracker: tracker.log(figures, epoch.epoch))

    def end(self, report: Mapping[str, Any] | None = None) -> None:
        """report: of the evaluation, None where it did not come to that."""
        if not self._has_begun:
            return
        if report is not None:
            figures = {"test accuracy": report["accuracy"]} | {
                f"test accuracy/{name}": part["all_samples_accuracy"]
                for name, part in report["exits"].items()
            }
            figures["test payload bytes"] = report["bytes"]["per_device_sample"]["payload"]
            self._each(lambda tracker: tracker.log(figures, self._last))
        self._each(lambda tracker: tracker.end())

    def _each(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                do(tracker)
            except Exception as error:  # noqa: BLE001 - a store that is gone ends no training
                del self._trackers[name]
                self._say(f"--tracker {name}: {error or type(error).__name__}; it is left alone")


def both(first: OnEpoch, second: OnEpoch) -> OnEpoch:
    """Both are told."""

    def tell(epoch: Epoch) -> None:
        first(epoch)
        second(epoch)

    return tell


def _settings(folder: Path, *, done: int) -> dict[str, str]:
    config = read_config(folder)
    return {
        "topology": config.topology.name,
        "card": config.card,
        "seed": str(config.seed),
        "epochs done": str(done),
        **{name: str(value) for name, value in config.settings.model_dump().items()},
    }
