"""What all studies share: options, trained networks, result rows, their means.

A script describes an `Experiment` and calls `run`. For each seed and setting it gets rows of
measures, kept in NAME-CARD.csv as they come, so that an interrupted call goes on where it stopped
and a later one may add seeds. Their means, with 95 % intervals and the published values beside
them, go to NAME-CARD-means.csv, and the plot is drawn from that file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.bundle.load import load_bundle
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet
from ddnn.errors import ConfigError, DdnnError
from ddnn.runfolder import is_finished, is_run
from ddnn.study.lock import locked
from ddnn.topology import Topology
from ddnn.training.run import Run, open_run, read_config, resume_run, train_run, versions
from ddnn.training.settings import PresetName, Settings, settings_for
from experiments.shared.jobs import Measured, measured_on
from experiments.shared.pictures import write_picture
from experiments.shared.provenance import DIGITS, made_from
from experiments.shared.rows import ASKED, Published, RowFile, print_means, read_means, write_means
from experiments.shared.rows import Means as Means
from experiments.shared.rows import Rows as Rows
from experiments.shared.script import add_only, add_places, command, results_folder

SMOKE_CARD = Path(__file__).with_name("smoke.yaml")


OF_RECORD: Mapping[PresetName, Mapping[str, Any]] = {
    "robust": {"augment": "scene", "view_mixing": 0.4}
}
"""What a preset had when the rows of record were measured and has no longer: rows stay comparable,
and what it has now is a setting of its own where it is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One call of a script: what it works on and how long.

    changes: of the preset's settings. runs: folder of trained networks, shared by all scripts.
    options: all of the call. own_options: those of `Experiment.follow_from` that were given.
    networks: what the rows at hand are measured on. trained_anew: folders of this call's trainings,
        in this process; call: names it in the marks of its other processes.
    """

    card: str
    data: DataSet
    preset: PresetName
    seeds: int
    changes: Mapping[str, Any]
    runs: Path
    out: Path
    is_smoke: bool
    options: argparse.Namespace
    own_options: str
    networks: list[Run] = field(default_factory=list)
    trained_anew: set[Path] = field(default_factory=set)
    call: str = field(default_factory=lambda: uuid4().hex)

    @property
    def cameras(self) -> int:
        """Of the data set."""
        return len(self.data.view_names)

    @property
    def test_objects_N(self) -> NDArray[np.int64] | None:
        """Which object each test sample shows, where that is known: then each counts the same."""
        objects_N = self.data.objects_N
        return None if objects_N is None else objects_N[self.data.split.test]

    def train(
        self,
        topology: Topology,
        *,
        seed: int,
        data: DataSet | None = None,
        preset: PresetName | None = None,
        **changes: Any,
    ) -> Run:
        """A trained run; opened where an equal one was trained before, with the same versions of
        everything, gone on with where an equal one was interrupted. `--fresh` trains it once more.

        changes: of the preset's settings, as OF_RECORD has them; those of the call come before.
        """
        data = self.data if data is None else data
        name = preset or self.preset
        changes = dict(OF_RECORD.get(name, {})) | changes | dict(self.changes)
        settings = settings_for(name, **changes)
        folder = self.runs / _run_name(topology, settings, data, seed)
        with locked(folder):
            if self._may_use(folder):
                run = open_run(folder) if is_finished(folder) else resume_run(folder, data=data)
            else:
                run = train_run(
                    folder, topology, self.card, settings, seed=seed, overwrite=True, data=data
                )
                self._mark(folder).write_text(self.call, encoding="utf-8")
        self.trained_anew.add(folder)
        return self.uses(run)

    def uses(self, run: Run) -> Run:
        """The run, which the rows at hand are then said to be measured on."""
        self.networks.append(run)
        return run

    def _may_use(self, folder: Path) -> bool:
        """Whether the network there is of this call, or may be taken from an earlier one."""
        if self.options.fresh and not self._is_of_this_call(folder):
            return False
        try:
            return is_run(folder) and read_config(folder).versions == versions() and _opens(folder)
        except DdnnError:  # of other versions, or damaged
            return False

    def _is_of_this_call(self, folder: Path) -> bool:
        mark = self._mark(folder)
        return folder in self.trained_anew or (
            mark.exists() and mark.read_text(encoding="utf-8") == self.call
        )

    def _mark(self, folder: Path) -> Path:
        """Beside a network: the call that trained it."""
        return folder.with_name(f".{folder.name}.call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A figure or table.

    settings: what is trained or tried, by name, from the data set; where they are the same for
        every set, their names, of which `--only` takes some. measure: rows of one setting and seed.
    draw: fills a figure with the means. options: adds the script's own options, of which
        `follow_from` are those that rows follow from.
    """

    name: str
    about: str
    settings: Sequence[str] | Callable[[Study], Sequence[str]]
    measure: Callable[[Study, str, int], Rows]
    draw: Callable[[Figure, Means], None]
    published: Published
    preset: PresetName = "paper"
    seeds: int = 3
    card: str = "rendered"
    smoke_card: Path = SMOKE_CARD
    options: Callable[[argparse.ArgumentParser], None] = lambda _: None
    follow_from: Sequence[str] = ()


def main(experiment: Experiment) -> None:
    """The script as a command: a wrong option or file is one line."""
    command(lambda: run(experiment, sys.argv[1:]))


def run(experiment: Experiment, arguments: Sequence[str]) -> Means:
    """Measures what is missing, writes rows, means and picture, prints the means."""
    study = study_of(experiment, arguments)
    name = f"{experiment.name}-{Path(study.card).stem}"
    settings = settings_of(experiment, study)
    table = RowFile(
        study.out / f"{name}.csv",
        settings,
        _columns_of_record(study),
        is_fresh=study.options.fresh or study.is_smoke,
    )
    means_file = study.out / f"{name}-means.csv"
    wanted = [
        (seed, setting)
        for seed in range(study.seeds)
        for setting in settings
        if not table.has(setting, seed)
    ]
    engine = study.options.engine
    on_engine = partial(measured_on, engine, arguments=arguments) if engine else measured_here
    for seed, setting, rows, made in on_engine(experiment=experiment, study=study, wanted=wanted):
        table.add(setting, seed, rows, made)
        print(f"{name}: seed {seed}, {setting}", flush=True)
        write_means(means_file, table, experiment.published)
    write_means(means_file, table, experiment.published)
    means = read_means(means_file)
    picture = study.out / f"{name}.png"
    write_picture(picture, lambda figure: experiment.draw(figure, means))
    print_means(means)
    print(table.path, means_file, picture, sep="\n")
    return means


def settings_of(experiment: Experiment, study: Study) -> Sequence[str]:
    """Names of what is measured in this call."""
    if callable(experiment.settings):
        return experiment.settings(study)
    chosen: Sequence[str] = study.options.only
    return chosen


def measured_here(
    experiment: Experiment, study: Study, wanted: Sequence[tuple[int, str]]
) -> Iterator[Measured]:
    """In this process, one after another."""
    for seed, setting in wanted:
        study.networks.clear()
        rows = experiment.measure(study, setting, seed)
        yield Measured(seed, setting, rows, made_from(study.networks))


def study_of(experiment: Experiment, arguments: Sequence[str], *, call: str | None = None) -> Study:
    """The options of a call. call: where this process does a part of it."""
    parser = argparse.ArgumentParser(description=experiment.about)
    parser.add_argument("--data", metavar="CARD", help=f"default: {experiment.card}")
    parser.add_argument("--preset", default=experiment.preset, choices=get_args(PresetName))
    parser.add_argument("--seeds", type=int, default=experiment.seeds)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of the training's settings, such as epochs=15 schedule=cosine",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--engine",
        help="measure settings and seeds side by side on local[:WORKERS], ray[:ADDRESS] or "
        "slurm[:PARTITION]",
    )
    add_places(parser, smoke="one seed, one epoch, few samples")
    parser.add_argument("--fresh", action="store_true", help="forget rows and networks")
    if not callable(experiment.settings):
        add_only(parser, experiment.settings)
    experiment.options(parser)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    card = given.data or (str(experiment.smoke_card) if given.smoke else experiment.card)
    return Study(
        card=card,
        data=load(card),
        preset=given.preset,
        seeds=1 if given.smoke else given.seeds,
        changes=changes_of(given.set) | ({"epochs": 1} if given.smoke else {}),
        runs=given.runs,
        out=results_folder(given),
        is_smoke=given.smoke,
        options=given,
        **({} if call is None else {"call": call}),
        own_options=" ".join(
            f"{name}={_option_text(getattr(given, name))}"
            for name in experiment.follow_from
            if getattr(given, name) != parser.get_default(name)
        ),
    )


def changes_of(texts: Sequence[str]) -> dict[str, Any]:
    """Settings written KEY=VALUE. Raises ConfigError for another form."""
    changes: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set: got {text!r}, want KEY=VALUE, for example epochs=15")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value  # a word, such as cosine
    return changes


def _option_text(value: object) -> str:
    """A run by its bundle and a file by its content, whatever they are called."""
    if isinstance(value, Path):
        content = load_bundle(value, nodes=()).sha256 if value.is_dir() else _sha256(value)
        return content[:DIGITS]
    return str(value)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _opens(folder: Path) -> bool:
    """Whether the bundle there is one of this ddnn, or none is there yet."""
    if is_finished(folder):
        open_run(folder)
    return True


def _columns_of_record(study: Study) -> dict[str, str]:
    values = (
        str(len(study.data.split.test)),
        study.preset,
        " ".join(f"{name}={value}" for name, value in study.changes.items()),
        study.own_options,
        study.data.name,
        study.data.digest[:16],
    )
    return dict(zip(ASKED, values, strict=True))


def _run_name(topology: Topology, settings: Settings, data: DataSet, seed: int) -> str:
    """Equal for equal trainings, whatever settings of their defaults come to exist."""
    start = settings.start_from
    if start is not None:  # the network, not its place
        start = load_bundle(Path(start), nodes=()).sha256
    structure = topology.model_dump_json(exclude_defaults=True)
    knobs = settings.model_copy(update={"start_from": start}).model_dump_json(exclude_defaults=True)
    parts = (structure, knobs, data.digest, str(seed))
    digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:DIGITS]
    return f"{topology.name}-{data.name}-{settings.preset}-{seed}-{digest}"
