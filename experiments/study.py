"""What the scripts of the DDNN paper share: options, trained networks, result rows, their means.

A script describes an `Experiment` and calls `run`. For each seed and setting it gets rows of
measures, kept in NAME-CARD.csv as they come, so that an interrupted call goes on where it stopped
and a later one may add seeds. Their means, with 95 % intervals over seeds (Student's t) and the
published values beside them, go to NAME-CARD-means.csv, and the plot is drawn from that file.

Measures are per cent of the test samples unless their name ends in another unit (UNITS).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, get_args

import torch
from matplotlib.figure import Figure
from pictures import write_picture
from scipy import stats

from ddnn.data.loading import load
from ddnn.data.multiview import DataSet
from ddnn.report.files import write_csv
from ddnn.topology import Topology
from ddnn.training.run import Run, open_run, train_run, versions
from ddnn.training.settings import PresetName, Settings, settings_for

FOLDER = Path(__file__).parent
SMOKE_CARD = FOLDER / "smoke.yaml"
UNITS = ("_bytes", "_bits", "_views", "_points", "camera")
Rows = Mapping[str, Mapping[str, float]]
"""By row name, by measure."""
Published = Mapping[tuple[str, str], Mapping[str, float]]
"""By setting and row name, by measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One call of a script: what it works on and how long.

    runs: folder of trained networks, shared by all scripts. options: the script's own.
    """

    card: str
    data: DataSet
    preset: PresetName
    seeds: int
    epochs: int | None
    runs: Path
    out: Path
    is_smoke: bool
    options: argparse.Namespace

    @property
    def cameras(self) -> int:
        """Of the data set."""
        return len(self.data.view_names)

    def train(
        self,
        topology: Topology,
        *,
        seed: int,
        data: DataSet | None = None,
        preset: PresetName | None = None,
        **changes: Any,
    ) -> Run:
        """A trained run; opened where an equal one was trained before. changes: of settings."""
        data = self.data if data is None else data
        settings = settings_for(preset or self.preset, epochs=self.epochs, **changes)
        folder = self.runs / _run_name(topology, settings, data, seed)
        if (folder / "bundle" / "manifest.json").exists():
            return open_run(folder)
        return train_run(
            folder, topology, self.card, settings, seed=seed, overwrite=True, data=data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Over seeds. low, high: 95 % interval, none for one seed; published: none where unknown."""

    value: float
    low: float | None
    high: float | None
    published: float | None


Means = Mapping[str, Mapping[str, Mapping[str, Mean]]]
"""By setting, row name and measure, in the order of the script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A figure or table.

    settings: what is trained or tried, by name, from the data set. measure: rows of one setting
    and seed. draw: fills a figure with the means. options: adds the script's own options.
    """

    name: str
    about: str
    settings: Callable[[Study], Sequence[str]]
    measure: Callable[[Study, str, int], Rows]
    draw: Callable[[Figure, Means], None]
    published: Published
    preset: PresetName = "paper"
    seeds: int = 3
    options: Callable[[argparse.ArgumentParser], None] = lambda _: None


def run(experiment: Experiment, arguments: Sequence[str] | None = None) -> Means:
    """Measures what is missing, writes rows, means and picture, prints the means."""
    study = study_of(experiment, arguments)
    name = f"{experiment.name}-{Path(study.card).stem}"
    settings = experiment.settings(study)
    table = RowFile(study.out / f"{name}.csv", settings, _columns_of_record(study))
    means_file = study.out / f"{name}-means.csv"
    for seed in range(study.seeds):
        for setting in settings:
            if not table.has(setting, seed):
                table.add(setting, seed, experiment.measure(study, setting, seed))
                print(f"{name}: seed {seed}, {setting}", flush=True)
        write_means(means_file, table, experiment.published)
    means = read_means(means_file)
    picture = study.out / f"{name}.png"
    write_picture(picture, lambda figure: experiment.draw(figure, means))
    print_means(means)
    print(table.path, means_file, picture, sep="\n")
    return means


def study_of(experiment: Experiment, arguments: Sequence[str] | None) -> Study:
    """The options of a call."""
    parser = argparse.ArgumentParser(description=experiment.about)
    parser.add_argument("--data", metavar="CARD", help="default: rendered")
    parser.add_argument("--preset", default=experiment.preset, choices=get_args(PresetName))
    parser.add_argument("--seeds", type=int, default=experiment.seeds)
    parser.add_argument("--epochs", type=int, help="default: the preset's")
    parser.add_argument("--out", type=Path, help="folder of the results")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true", help="one seed, one epoch, few samples")
    experiment.options(parser)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    card = given.data or (str(SMOKE_CARD) if given.smoke else "rendered")
    return Study(
        card=card,
        data=load(card),
        preset=given.preset,
        seeds=1 if given.smoke else given.seeds,
        epochs=1 if given.smoke else given.epochs,
        runs=given.runs,
        out=given.out or (Path("runs/smoke") if given.smoke else FOLDER / "results"),
        is_smoke=given.smoke,
        options=given,
    )


class RowFile:
    """The CSV of result rows: grows by one setting and seed at a time, always in one order."""

    def __init__(self, path: Path, settings: Sequence[str], record: Mapping[str, str]) -> None:
        """record: columns that say what the rows follow from; rows of another are dropped."""
        self.path = path
        self._settings = list(settings)
        self._record = dict(record)
        lines = read_csv(path) if path.exists() else []
        self._lines = [line for line in lines if self._fits(line)]

    def __iter__(self) -> Iterator[dict[str, str]]:
        return iter(self._lines)

    def has(self, setting: str, seed: int) -> bool:
        return any((x["setting"], x["seed"]) == (setting, str(seed)) for x in self._lines)

    def add(self, setting: str, seed: int, rows: Rows) -> None:
        """Puts the rows in their place and writes the file."""
        for row, measures in rows.items():
            values = {measure: f"{value:.4f}" for measure, value in measures.items()}
            start = {"seed": str(seed), "setting": setting, "row": row}
            self._lines.append(start | values | self._record)
        self._lines.sort(key=lambda x: (int(x["seed"]), self._settings.index(x["setting"])))
        columns = dict.fromkeys(
            column for line in self._lines for column in line if column not in self._record
        )
        header = [*columns, *self._record]
        write_csv(
            self.path, header, ([line.get(column, "") for column in header] for line in self._lines)
        )

    def values(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        """By setting and row, by measure: one value a seed."""
        found: dict[tuple[str, str], dict[str, list[float]]] = {}
        for line in sorted(self._lines, key=lambda x: self._settings.index(x["setting"])):
            measures = found.setdefault((line["setting"], line["row"]), {})
            for column, text in line.items():
                if column not in (*self._record, "seed", "setting", "row") and text:
                    measures.setdefault(column, []).append(float(text))
        return found

    def _fits(self, line: Mapping[str, str]) -> bool:
        same = all(line.get(column) == value for column, value in self._record.items())
        return same and line["setting"] in self._settings


MEAN_COLUMNS = ("setting", "row", "measure", "mean", "low", "high", "published", "seeds")


def write_means(path: Path, table: RowFile, published: Published) -> None:
    """One line a setting, row and measure."""
    lines = []
    for (setting, row), measures in table.values().items():
        known = published.get((setting, row), {})
        for measure, values in measures.items():
            low, high = interval(values, is_share=not measure.endswith(UNITS))
            cells = [f"{mean(values):.2f}", low, high, known.get(measure)]
            texts = [f"{x:.2f}" if isinstance(x, float) else x for x in cells]
            lines.append([setting, row, measure, *texts, len(values)])
    write_csv(path, MEAN_COLUMNS, (["" if x is None else x for x in line] for line in lines))


def interval(values: Sequence[float], *, is_share: bool) -> tuple[float | None, float | None]:
    """95 % interval of the mean over seeds (Student's t), none for one seed.

    is_share: per cent, so that nothing lies outside 0 to 100.
    """
    if len(values) < 2:
        return None, None
    spread = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    low, high = mean(values) - spread, mean(values) + spread
    return (max(0.0, low), min(100.0, high)) if is_share else (low, high)


def read_means(path: Path) -> Means:
    """What `write_means` wrote."""
    means: dict[str, dict[str, dict[str, Mean]]] = {}
    for line in read_csv(path):
        low, high, published = (
            float(line[column]) if line[column] else None for column in ("low", "high", "published")
        )
        found = Mean(value=float(line["mean"]), low=low, high=high, published=published)
        means.setdefault(line["setting"], {}).setdefault(line["row"], {})[line["measure"]] = found
    return means


def print_means(means: Means) -> None:
    """A Markdown table: mean (interval) [published]."""
    rows = [(setting, row, values) for setting, x in means.items() for row, values in x.items()]
    measures = list(dict.fromkeys(measure for _, _, values in rows for measure in values))
    print("", "setting", "row", *measures, "", sep=" | ")
    print("|", "---|" * (len(measures) + 2), sep="")
    for setting, row, values in rows:
        cells = (cell(values[measure]) if measure in values else "" for measure in measures)
        print("", setting, row, *cells, "", sep=" | ")


def cell(found: Mean) -> str:
    """One mean for a person."""
    text = f"{found.value:.1f}"
    if found.low is not None and found.high is not None:
        text += f" ({found.low:.1f} – {found.high:.1f})"
    return text if found.published is None else f"{text} [{found.published:g}]"


def read_csv(path: Path) -> list[dict[str, str]]:
    """The lines by column name."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _columns_of_record(study: Study) -> dict[str, str]:
    return {
        "test_samples": str(len(study.data.split.test)),
        "epochs": "preset" if study.epochs is None else str(study.epochs),
        "preset": study.preset,
        "data": study.data.name,
        "digest": study.data.digest[:16],
        "versions": " ".join(f"{name}={value}" for name, value in versions().items()),
    }


def _run_name(topology: Topology, settings: Settings, data: DataSet, seed: int) -> str:
    """Equal for equal trainings."""
    parts = (topology.digest, settings.model_dump_json(), data.digest, str(seed))
    digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
    return f"{topology.name}-{data.name}-{settings.preset}-{seed}-{digest}"
