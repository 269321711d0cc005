"""Searches a space of networks with Optuna, on any engine: trials.csv, pareto.csv, pareto.png.

Optuna chooses trials in groups of fixed size from a seed, and their results are told to it in their
order. So a search that is called again makes the same choices, takes the results that are there
from its jobs, and goes on; and every engine gives the same table. Nothing else is kept.
What is chosen follows from validation samples alone; of the best, test samples are measured at the
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from ddnn.errors import ConfigError, DdnnError
from ddnn.report.files import write_csv
from ddnn.report.plots import plot_pareto
from ddnn.study.engine import Engine, extra, open_engine
from ddnn.study.jobs_folder import JobsFailedError, JobsFolder, Show
from ddnn.study.searchfile import Objective, Range, Search

TRIALS, PARETO, PICTURE = "trials.csv", "pareto.csv", "pareto.png"
DIRECTIONS: dict[Objective, str] = {
    "accuracy": "maximize", "bytes": "minimize", "energy": "minimize",
}  # fmt: skip
COLUMNS: dict[Objective, str] = {
    "accuracy": "accuracy", "bytes": "payload_bytes", "energy": "energy_uj",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """values: objectives on validation samples, means over seeds; None: it failed.

    test: the same of test samples, of those that are best.
    """

    number: int
    chosen: dict[str, Any]
    values: tuple[float, ...] | None
    test: tuple[float, ...] | None = None


def run_search(
    search: Search, folder: Path, *, engine: str, show: Show = lambda _: None
) -> list[Trial]:
    """Writes trials.csv and, of the trials that none surpasses, pareto.csv; gives the latter.

    Raises ConfigError where Optuna is not installed, DdnnError where no trial succeeded.
    """
    optuna: Any = extra("optuna", name="search")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objectives = search.file.objectives
    directions = [DIRECTIONS[name] for name in objectives]
    sampler = optuna.samplers.TPESampler(seed=search.file.seed, multivariate=True)
    study = optuna.create_study(directions=directions, sampler=sampler)
    jobs = JobsFolder(folder)
    trials: list[Trial] = []
    with open_engine(engine, folder) as opened:
        while len(trials) < search.file.trials:
            count = min(search.file.parallel, search.file.trials - len(trials))
            trials += _group(search, study, count, jobs=jobs, engine=opened, show=show)
            _write(folder / TRIALS, trials, objectives)
        best = _best(trials, directions)
        if not best:
            raise DdnnError(f"all {len(trials)} trials failed, see {folder / 'failed'}")
        found = _measured(search, best, "test", jobs=jobs, engine=opened, show=show)
    best = [
        Trial(number=t.number, chosen=t.chosen, values=t.values, test=test)
        for t, test in zip(best, found, strict=True)
    ]
    _write(folder / PARETO, best, objectives)
    if len(objectives) > 1:
        columns = [COLUMNS[name] for name in objectives]
        plot_pareto(folder / TRIALS, folder / PARETO, folder / PICTURE, columns=columns)
    return best


def _group(
    search: Search, study: Any, count: int, *, jobs: JobsFolder, engine: Engine, show: Show
) -> list[Trial]:
    """Asks for trials, runs them and tells their values, in their order."""
    asked = [study.ask() for _ in range(count)]
    trials = [
        Trial(number=each.number, chosen=_chosen(search, each), values=None) for each in asked
    ]
    found = _measured(search, trials, "validation", jobs=jobs, engine=engine, show=show)
    for each, values in zip(asked, found, strict=True):
        if values is None:
            study.tell(each, state=_failed())
        else:
            study.tell(each, values)
    return [
        Trial(number=t.number, chosen=t.chosen, values=values)
        for t, values in zip(trials, found, strict=True)
    ]


def _failed() -> Any:
    return extra("optuna", name="search").trial.TrialState.FAIL


def _chosen(search: Search, trial: Any) -> dict[str, Any]:
    chosen = {}
    for path, part in search.file.space.items():
        if not isinstance(part, Range):
            chosen[path] = trial.suggest_categorical(path, list(part))
        elif isinstance(part.low, int) and isinstance(part.high, int):
            chosen[path] = trial.suggest_int(path, part.low, part.high, log=part.log)
        else:
            chosen[path] = trial.suggest_float(path, part.low, part.high, log=part.log)
    return chosen


def _measured(
    search: Search,
    trials: Sequence[Trial],
    split: str,
    *,
    jobs: JobsFolder,
    engine: Engine,
    show: Show,
) -> list[tuple[float, ...] | None]:
    """The objectives of each trial; None where a job failed or values do not fit together."""
    by_trial = []
    for trial in trials:
        try:
            by_trial.append(search.jobs(trial.chosen, split, label=f"trial {trial.number}"))
        except ConfigError:
            by_trial.append([])
    everything = list({job.key: job for some in by_trial for job in some}.values())
    results: dict[str, Any] = {}
    try:
        for job, answer in jobs.run(everything, engine, show):
            results[job.key] = answer.result["rows"][0]
    except JobsFailedError:  # told already, and kept in the folder: others go on
        pass
    return [
        _values([results.get(job.key) for job in some], search.file.objectives) for some in by_trial
    ]


def _values(rows: Sequence[Any], objectives: Sequence[Objective]) -> tuple[float, ...] | None:
    if not rows or None in rows:
        return None
    return tuple(mean(_value(row, name) for row in rows) for name in objectives)


def _value(row: dict[str, Any], objective: Objective) -> float:
    if objective == "accuracy":
        return float(row["accuracy"]["overall"])
    value = row[COLUMNS[objective]]
    if value is None:
        raise ConfigError("objectives: energy: a layer of this topology has no energy known")
    return float(value)


def _best(trials: Sequence[Trial], directions: Sequence[str]) -> list[Trial]:
    """Those that no other surpasses, the most accurate first by the first objective."""
    signs = [1.0 if direction == "minimize" else -1.0 for direction in directions]
    costs = {
        trial.number: tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
        for trial in trials
        if trial.values is not None
    }
    best = [
        trial
        for trial in trials
        if trial.values is not None
        and not any(_surpasses(other, costs[trial.number]) for other in costs.values())
    ]
    return sorted(best, key=lambda trial: (costs[trial.number], trial.number))


def _surpasses(one: Sequence[float], other: Sequence[float]) -> bool:
    """At least as good everywhere and better somewhere."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def _write(path: Path, trials: Sequence[Trial], objectives: Sequence[Objective]) -> None:
    columns = [COLUMNS[name] for name in objectives]
    paths = list(dict.fromkeys(path for trial in trials for path in trial.chosen))
    has_test = any(trial.test is not None for trial in trials)
    tests = [f"test_{name}" for name in columns] if has_test else []
    write_csv(
        path,
        ["trial", *paths, *columns, *tests],
        (
            [
                trial.number,
                *(_text(trial.chosen.get(name)) for name in paths),
                *_texts(trial.values, len(columns)),
                *_texts(trial.test, len(tests)),
            ]
            for trial in trials
        ),
    )


def _texts(values: Sequence[float] | None, count: int) -> list[object]:
    return [""] * count if values is None else [_text(value) for value in values]


def _text(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
