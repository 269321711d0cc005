"""A run under every set of lost devices, a job each: `ddnn failures --engine`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ddnn.data.checks import part_of
from ddnn.data.multiview import DataSet, MultiView
from ddnn.errors import BundleError, DataError
from ddnn.model.sections import SectionOutput
from ddnn.paths import path_to_text, text_to_path
from ddnn.study.engine import open_engine
from ddnn.study.job import DIGITS, Job
from ddnn.study.jobs_folder import JobsFolder, Show
from ddnn.study.places import card_place
from ddnn.training.failures import SubsetAccuracy, failure, subsets
from ddnn.training.predict import perceive
from ddnn.training.run import Run, open_run

FUNCTION = "ddnn.study.subsets:measure"
TOGETHER = 64
"""Milliseconds each, after the seconds that the first one in a process takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEngine:
    """Measures every subset on an engine: what `failures_run` takes as `find`.

    folder: of the jobs. card, view_map: other data than the run's own.
    """

    engine: str
    folder: Path
    split: str
    card: str | Path | None = None
    view_map: Mapping[str, str] | None = None
    show: Show = lambda _: None

    def __call__(self, run: Run, data: DataSet, _: MultiView) -> list[SubsetAccuracy]:
        """In the order of `subsets`. Raises DdnnError where some failed; the rest is kept."""
        jobs = self.jobs(run, data)
        with open_engine(self.engine, self.folder) as engine:
            folder = JobsFolder(self.folder)
            ended = list(folder.run(jobs, engine, self.show, together=TOGETHER))
        found = {job.key: _subset(answer.result) for job, answer in ended}
        return [found[job.key] for job in jobs]

    def jobs(self, run: Run, data: DataSet) -> list[Job]:
        """One a subset."""
        same = {
            "bundle": run.bundle_sha256,
            "data": data.digest,
            "split": self.split,
            "view_map": dict(self.view_map or {}),
        }
        places = {"run": path_to_text(run.folder.absolute())}
        if self.card is not None:
            places["card"] = card_place(self.card)
        return [
            Job(
                function=FUNCTION,
                inputs=same | {"lost": list(lost)},
                places=places,
                label=f"{run.topology.name} without {'+'.join(lost) or 'none'}",
            )
            for lost in subsets(run.topology)
        ]


def measure(inputs: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """The job: accuracies without the devices `lost`.

    Raises BundleError or DataError where the places hold another network or other data.
    """
    key = {name: value for name, value in inputs.items() if name != "lost"}
    seen = _seen(json.dumps(key, sort_keys=True), places["run"], places.get("card"))
    found = failure(
        seen.run.joint,
        seen.devices,
        seen.samples,
        seen.run.rules,
        lost=tuple(inputs["lost"]),
        prior_class=seen.run.prior_class,
    )
    return {
        "lost": list(found.lost),
        "accuracy": found.accuracy,
        "local_share": found.local_share,
    }


class Seen(NamedTuple):
    """What all subsets of a run share."""

    run: Run
    samples: MultiView
    devices: Mapping[str, SectionOutput]


@lru_cache(maxsize=2)
def _seen(key: str, folder: str, card: str | None) -> Seen:
    """Once a process. key: the inputs that it follows from, as JSON."""
    inputs = json.loads(key)
    run = open_run(Path(text_to_path(folder)))
    _check_same(BundleError, folder, run.bundle_sha256, inputs["bundle"])
    source = None if card is None else text_to_path(card)
    data = run.load_data(source, inputs["view_map"] or None)
    _check_same(DataError, card or run.config.card, data.digest, inputs["data"])
    samples = part_of(data, inputs["split"], card=card or run.config.card)
    return Seen(run, samples, perceive(run.joint, samples))


def _check_same(kind: type[Exception], place: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise kind(f"{place}: sha256 {found[:DIGITS]}, this study is of {wanted[:DIGITS]}")


def _subset(result: Mapping[str, Any]) -> SubsetAccuracy:
    lost: Sequence[str] = result["lost"]
    return SubsetAccuracy(
        lost=tuple(lost), accuracy=dict(result["accuracy"]), local_share=result["local_share"]
    )
