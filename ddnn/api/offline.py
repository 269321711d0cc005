"""Training and what is measured without processes. Needs `pip install 'ddnn[train]'`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.api.results import EvaluationResult, FailureResult
from ddnn.data.checks import check_fits, check_trainable, gaps, seen_by_whom
from ddnn.data.loading import load
from ddnn.errors import ConfigError
from ddnn.run.failures.plan import actions, plan_for, presence
from ddnn.run.hosts import check_reachable
from ddnn.run.links import check_links
from ddnn.run.outcome import failure_entry
from ddnn.study.jobs_folder import Show
from ddnn.study.subsets import OnEngine
from ddnn.topology import Topology, read_topology
from ddnn.training.calibrate import Calibration, Goal, too_few
from ddnn.training.epoch import OnEpoch
from ddnn.training.evaluate import VERDICTS, evaluate_run
from ddnn.training.failures import FOLDER, SUBSETS, failures_run
from ddnn.training.run import Run, calibrate_run, open_run, train_run
from ddnn.training.settings import PresetName, settings_for
from ddnn.training.trackers import Tracking, both


def train(
    topology: Topology | str | Path,
    *,
    data: str | Path,
    out: str | Path,
    preset: PresetName = "robust",
    seed: int = 0,
    overwrite: bool = False,
    tracker: str | Sequence[str] = (),
    on_epoch: OnEpoch = lambda _epoch: None,
    say: Callable[[str], None] = lambda _line: None,
    **settings: Any,
) -> Run:
    """Trains all sections of a topology jointly, calibrates, and writes a run with its bundle.

    topology: one that was read, a file, or the name of one that ships with ddnn. data: a card's
    file or shipped name. out: folder of the run, new unless `overwrite`. settings: knobs of the
    preset to change (`epochs=8`, `batch=64`, ...), see ddnn.training.settings. tracker: where the
    curves go too: `tensorboard`, `mlflow`, or both; one that fails is told and left alone.
    on_epoch: called after each epoch with its loss and accuracies. say: told in lines what is odd
    about the data and what fails of a tracker.
    Raises ConfigError for a knob, topology or card that is wrong or does not fit, DataError for
    data that cannot be trained on.
    Source of the method: Teerapittayanon et al., ICDCS 2017, section III.
    """
    chosen = settings_for(preset, **settings)
    checked = topology if isinstance(topology, Topology) else read_topology(topology)
    source = checked.name if topology is checked else str(topology)
    check_links(checked, source=source)
    check_reachable(checked, source=source)
    if not any(chosen.exit_weights.get(name, 1.0) for name in checked.exits):
        got = ", ".join(f"{name} {weight:g}" for name, weight in chosen.exit_weights.items())
        raise ConfigError(f"exit weights {got}: no exit learns, want at least one above 0")
    loaded = load(data)
    check_fits(checked, loaded.samples, card=data, wanted_by=source)
    check_trainable(loaded, card=data)
    few = too_few(len(loaded.split.validation) or len(loaded.split.train), exits=len(checked.exits))
    for line in (*gaps(loaded), *few, seen_by_whom(checked, loaded.samples)):
        say(f"{data}: {line}")
    names = (tracker,) if isinstance(tracker, str) else tracker
    with Tracking(names, Path(out), say) as tracking:
        return train_run(
            Path(out),
            checked,
            data,
            chosen,
            seed=seed,
            overwrite=overwrite,
            data=loaded,
            on_epoch=both(on_epoch, tracking.epoch),
        )


def evaluate(
    run: Run | str | Path,
    *,
    data: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    plan: str | Path | None = None,
) -> EvaluationResult:
    """Tries a run offline: every exit on all samples, and the overall rule.

    data: another card than the run's own. split: `train`, `validation`, `test` or `all`.
    view_map: by the network's name of a view the data's, where they differ. plan: a failure plan
    whose devices are masked at the samples for which it kills, hangs or cuts them off.
    Writes `report.json`, `verdicts.csv` and `thresholds.csv` into the run's folder.
    Raises DdnnError for a run or card that is damaged or does not fit.
    """
    opened = _opened(run)

    def losses(samples: int) -> tuple[NDArray[np.bool_] | None, list[dict[str, Any]]]:
        name = None if plan is None else str(plan)
        chosen = plan_for(opened.topology, samples, name=name)
        done = sorted(actions(chosen), key=lambda action: action.sample or 0)
        entries = [failure_entry(a.failure, a.sample, ends=a.ends) for a in done]
        return presence(chosen, opened.topology, samples), entries

    report = evaluate_run(opened, card=data, split=split, view_map=view_map, losses=losses)
    rows = _rows(opened.folder / VERDICTS)
    return EvaluationResult(report=report, folder=opened.folder, rows=rows)


def failures(
    run: Run | str | Path,
    *,
    data: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    engine: str | None = None,
    out: str | Path | None = None,
    show: Show = lambda _course: None,
) -> FailureResult:
    """Tries a run with every set of its devices lost, offline: 2^V - 1 sets of V devices.

    Options as in `evaluate`. Writes `report.json` and `subsets.csv` into `out`, by default the
    run's folder `failures`. engine: `local`, `ray` or `slurm` for a job a set, see
    ddnn.study.engine; the files are the same, and jobs that are in `out` already are not run
    again. show: told of each job.
    Raises ConfigError for more than 16 devices or an engine that is not there, DdnnError where
    jobs failed.
    """
    opened = _opened(run)
    folder = opened.folder / FOLDER if out is None else Path(out)
    find = None
    if engine is not None:
        find = OnEngine(
            engine=engine, folder=folder, split=split, card=data, view_map=view_map, show=show
        )
    report = failures_run(
        opened, card=data, split=split, view_map=view_map, folder=folder, find=find
    )
    return FailureResult(report=report, subsets=_rows(folder / SUBSETS))


def calibrate(
    run: Run | str | Path,
    *,
    accuracy: float | None = None,
    payload_bytes: float | None = None,
    early_share: float | None = None,
) -> Calibration:
    """Chooses the thresholds and temperatures of a run again, from its validation samples.

    accuracy: wanted share of right answers, with the fewest bytes. payload_bytes: most a device
    may send a sample, with the best accuracy. early_share: least share answered below the last
    exit. At most one of them; without: as many early answers as cost half a point against the last
    exit, and another threshold for when a device is lost.
    Writes the rules into the run's bundle; `open_run` reads them.
    Raises ConfigError for a goal that cannot be met, naming the nearest that can.
    """
    goals: Sequence[float | None] = (accuracy, payload_bytes, early_share)
    if sum(goal is not None for goal in goals) > 1:
        raise ConfigError(
            "calibrate: want one of accuracy, payload_bytes, early_share, got several"
        )
    goal = Goal(accuracy=accuracy, payload_bytes=payload_bytes, early_share=early_share)
    return calibrate_run(_opened(run), goal)


def _rows(path: Path) -> tuple[tuple[str, ...], ...]:
    """The lines of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(map(tuple, csv.reader(file)))


def _opened(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else open_run(Path(run))
