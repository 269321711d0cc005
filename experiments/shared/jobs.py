"""Rows of an experiment as jobs: what `--engine` runs on the cores, a Ray cluster or Slurm."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from inspect import getfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ddnn.errors import DdnnError
from ddnn.study.engine import open_engine
from ddnn.study.job import Job
from experiments.shared.provenance import made_from
from experiments.shared.script import FOLDER

if TYPE_CHECKING:
    from experiments.shared.study import Experiment, Study

FUNCTION = "experiments.shared.jobs:measure"


class Measured(NamedTuple):
    """Rows of a seed and setting, and the columns MADE of them."""

    seed: int
    setting: str
    rows: Mapping[str, Mapping[str, float]]
    made: Mapping[str, str]


def measured_on(
    engine: str,
    experiment: Experiment,
    study: Study,
    arguments: Sequence[str],
    wanted: Sequence[tuple[int, str]],
) -> Iterator[Measured]:
    """As they come. Raises DdnnError at the end where some failed."""
    same = {"script": module_of(experiment), "arguments": list(arguments), "call": study.call}
    jobs = [
        Job(
            function=FUNCTION,
            inputs=same | {"seed": seed, "setting": setting},
            label=f"{experiment.name} seed {seed}, {setting}",
        )
        for seed, setting in wanted
    ]
    failed = []
    with open_engine(engine, study.runs) as opened:
        for job, answer in opened.run(jobs):
            if answer.error is None:
                found, made = answer.result
                yield Measured(job.inputs["seed"], job.inputs["setting"], found, made)
            else:
                print(answer.details or answer.error, flush=True)
                failed.append(f"{job.label}: {answer.error}")
    if failed:
        raise DdnnError(f"{len(failed)} of {len(jobs)} failed: {failed[0]}")


def measure(inputs: Mapping[str, Any], _places: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """The job, in a worker."""
    experiment, study = _study(inputs["script"], tuple(inputs["arguments"]), inputs["call"])
    study.networks.clear()
    rows = experiment.measure(study, inputs["setting"], inputs["seed"])
    return rows, made_from(study.networks)


@lru_cache(maxsize=1)
def _study(script: str, arguments: tuple[str, ...], call: str) -> tuple[Experiment, Study]:
    """Once a process: data are loaded for all of its jobs."""
    from experiments.shared.study import study_of  # noqa: PLC0415  # which imports this file

    experiment: Experiment = import_module(script).EXPERIMENT
    return experiment, study_of(experiment, arguments, call=call)


def module_of(experiment: Experiment) -> str:
    """Of the script that describes it, also where it is run as a command."""
    modules = list(sys.modules.values())
    homes = [m for m in modules if getattr(m, "EXPERIMENT", None) is experiment]
    path = Path(getfile(homes[0])).resolve().relative_to(FOLDER.parent.resolve())
    return ".".join(path.with_suffix("").parts)
