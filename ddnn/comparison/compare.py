"""Trains methods and tries them on tasks: from names to a submission."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddnn.comparison.method import Material, Train, Trained
from ddnn.comparison.networks import Staged, trained
from ddnn.comparison.rivals import FusedScores, Pictures, best_camera
from ddnn.comparison.submission import Area, Result, Row, Submission, TaskRecord
from ddnn.comparison.task import Task
from ddnn.comparison.trial import RATES, Trial, by_count, interval, sent, survival_N, trial
from ddnn.errors import ConfigError
from ddnn.extensions import known, load
from ddnn.training.run import Run, versions

PICTURES, ONE_CAMERA, LATE_FUSION = "all-cloud-jpeg", "best-camera", "late-fusion"
PAPER, ROBUST = "paper", "robust"
METHODS = (PICTURES, ONE_CAMERA, LATE_FUSION, PAPER, ROBUST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """seeds: 0 up to so many. epochs: of ddnn's own networks in place of their presets'. folder:
    of trained networks, used again where they fit."""

    seeds: int
    folder: Path
    epochs: int | None = None


Say = Callable[[str], None]


def all_methods() -> tuple[str, ...]:
    """Names: ddnn's own, then those that installed packages add."""
    return (*METHODS, *(name for name in known("methods") if name not in METHODS))


def compare(
    tasks: Sequence[Task], methods: Sequence[str], asked: Asked, say: Say = lambda _: None
) -> Submission:
    """Every method on every task.

    Raises ConfigError for a method that nobody knows, or that fails on a task.
    """
    unknown = [name for name in methods if name not in all_methods()]
    if unknown:
        raise ConfigError(f"method {unknown[0]!r}: want one of {', '.join(all_methods())}")
    results = []
    for task in tasks:
        for name in methods:
            results.append(result(task, name, asked))
            area = results[-1].areas[0]
            say(f"{task.name}, {name}: area {area.area:.4f} ({area.low:.4f} to {area.high:.4f})")
    return Submission(
        tasks=tuple(map(record, tasks)),
        results=tuple(results),
        versions=versions(),
        processor=platform.processor() or platform.machine(),
    )


def record(task: Task) -> TaskRecord:
    """What a submission says of a task."""
    right_N = task.test.fused_labels_N == task.commonest
    return TaskRecord(
        name=task.name,
        digest=task.data.digest,
        classes=len(task.test.classes),
        devices=task.devices,
        test_samples=len(task.test),
        things=len(np.unique(task.clusters_N)),
        commonest=_share(task, right_N),
    )


def result(task: Task, method: str, asked: Asked) -> Result:
    """One method on one task, all seeds and rates."""
    rows: list[Row] = []
    curves: dict[float, list[Any]] = {rate: [] for rate in RATES}
    made: list[dict[str, Any]] = []
    for seed in range(asked.seeds):
        ready, how = train(task, method, seed=seed, asked=asked)
        made.append(how)
        messages = sent(ready, task)
        for rate in RATES:
            found = trial(ready, task, messages, rate=rate, seed=seed)
            rows += _rows(task, found, seed=seed, rate=rate)
            curves[rate].append(survival_N(task, found))
    areas = []
    for rate, each in curves.items():
        values_N = np.mean(each, axis=0)
        low, high = interval(task, values_N)
        area = float((values_N * task.weights_N).sum())
        areas.append(Area(bit_error_rate=rate, area=area, low=low, high=high))
    return Result(
        task=task.name,
        method=method,
        rows=tuple(rows),
        areas=tuple(areas),
        made={str(seed): how for seed, how in enumerate(made)},
    )


def train(task: Task, method: str, *, seed: int, asked: Asked) -> tuple[Trained, dict[str, Any]]:
    """The method, ready, and what it says of how it came about."""
    if method not in METHODS:
        return _foreign(task, method, seed=seed, folder=asked.folder)

    def network(topology: str, preset: Any) -> Run:
        return trained(task, topology, preset, seed=seed, epochs=asked.epochs, folder=asked.folder)

    if method == PICTURES:
        run = network("six-cameras-raw", ROBUST)
        return Pictures(run), _made(run)
    run = network("six-cameras", PAPER if method == PAPER else ROBUST)
    if method in (PAPER, ROBUST):
        return Staged(run), _made(run)
    if method == ONE_CAMERA:
        best = best_camera(run, task)
        return FusedScores(run, [best]), _made(run) | {"camera": task.data.view_names[best]}
    return FusedScores(run, range(task.devices)), _made(run)


def _foreign(task: Task, method: str, *, seed: int, folder: Path) -> tuple[Trained, dict[str, Any]]:
    make: Train = load("methods", method, where="--method")
    own = folder / f"{task.name}-{method}-{seed}"
    own.mkdir(parents=True, exist_ok=True)
    material = Material(
        train=task.data.part("train"),
        validation=task.data.part("validation"),
        seed=seed,
        folder=own,
    )
    return make(material), {}


def _made(run: Run) -> dict[str, Any]:
    settings = run.config.settings.model_dump(mode="json", exclude_defaults=True)
    return {"bundle_sha256": run.bundle_sha256, "settings": settings}


def _rows(task: Task, found: Trial, *, seed: int, rate: float) -> list[Row]:
    accuracy_S = np.array([_share(task, right_N) for right_N in found.right_SN])
    sizes_S = np.array([len(lost) for lost in found.lost])
    means, sizes = by_count(task, found, accuracy_S), by_count(task, found, found.bytes_S)
    return [
        Row(
            seed=seed,
            bit_error_rate=rate,
            lost=lost,
            accuracy=min(mean, 1.0),
            worst=min(float(accuracy_S[sizes_S == lost].min()), 1.0),
            bytes=size,
        )
        for lost, (mean, size) in enumerate(zip(means, sizes, strict=True))
    ]


def _share(task: Task, right_N: Any) -> float:
    return min(float((right_N * task.weights_N).sum()), 1.0)
