"""Which defaults serve a stranger's data: settings on seven unlike sets, by validation alone.

    DDNN_DATA=FOLDER python experiments/defaults/defaults.py --seeds 2

Each setting is a network and a training as long as the preset's, run by `ddnn study`, which keeps
what is trained. Rows: validation accuracy overall, under calibrated thresholds, with nobody lost
and with half of the devices lost (the mean of at most ten such sets), payload bytes a device and
sample, and bits of a device's weights; beside them simple answers, which have everything in one
place. `--split test` measures the same networks on test samples, into a file of its own, once a
choice is made. Mean ranks are over the sets, 1 is the best.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from scipy import stats

from ddnn.api.studies import run_study
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet
from ddnn.model.cost import section_bits
from ddnn.shipped import find
from ddnn.topology import Topology
from ddnn.training import baselines
from ddnn.training.patterns import lost_masks
from ddnn.training.run import Run, open_run
from experiments.sensors.lost import topology_of
from experiments.shared.provenance import made_from
from experiments.shared.rows import ASKED, RowFile, read_rows
from experiments.shared.script import FOLDER, add_only, add_places, command, results_folder
from experiments.shared.variants import cameras

HERE = Path(__file__).parent
EPOCHS = 60
SETS: Mapping[str, str] = {
    "rendered, three classes": "rendered",
    "rendered, ten classes": "rendered-ten",
    "digits, tiles": "digits",
    "MNIST, tiles": str(HERE / "mnist-tiles.yaml"),
    "CIFAR-10, tiles": str(HERE / "cifar10-tiles.yaml"),
    "EPFL by object": "epfl-by-object",
    "watch": "watch",
}
SMOKE_SETS: Mapping[str, str] = {"rendered, few": str(FOLDER / "shared" / "smoke.yaml")}
WHOLE, HALF = "whole", "half_lost"
Measures = Mapping[tuple[str, str], Mapping[str, Sequence[float]]]
"""By setting and row, by measure, a value a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """filters, bits: of the devices, whose maps are sent with 1 bit a value. upper_bits: of what
    lies above them. changes: of the preset `robust`."""

    filters: int = 4
    bits: int = 1
    upper_bits: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)


AS_THEY_ARE = {"augment": "none", "view_mixing": 0.0}
SETTINGS: Mapping[str, Setting] = {
    "augmented and mixed": Setting(changes={"augment": "scene", "view_mixing": 0.4}),
    "views as they are": Setting(changes=AS_THEY_ARE),
    "no class weights": Setting(changes=AS_THEY_ARE | {"class_balance": False}),
    "mixed": Setting(changes={"augment": "none", "view_mixing": 0.4}),
    "augmented": Setting(changes={"augment": "scene", "view_mixing": 0.0}),
    "16 filters": Setting(filters=16, changes=AS_THEY_ARE),
    "16 filters, 32 bits": Setting(filters=16, bits=32, changes=AS_THEY_ARE),
    "16 filters, 32 bits above": Setting(filters=16, upper_bits=32, changes=AS_THEY_ARE),
    "16 filters, 32 bits all over": Setting(
        filters=16, bits=32, upper_bits=32, changes=AS_THEY_ARE
    ),
}
"""All on views as they are, but for those named for what is done to them."""
SIMPLE = (baselines.COMMONEST, baselines.NEAREST, baselines.LINEAR)


class Found(NamedTuple):
    """Per cent right, of so many samples. run: none of a simple answer."""

    whole: float
    half: float | None
    samples: int
    payload_bytes: float | None = None
    run: Run | None = None

    def row(self) -> dict[str, float]:
        """As measures."""
        row = {WHOLE: self.whole, f"{WHOLE}_samples": self.samples}
        if self.half is not None:
            row |= {HALF: self.half, f"{HALF}_samples": self.samples}
        if self.payload_bytes is not None:
            row["payload_bytes"] = self.payload_bytes
        if self.run is not None:
            topology = self.run.topology
            row["device_bits"] = section_bits(topology, topology.devices[0])
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How settings are tried. runs: folder of trained networks. split: measured on."""

    runs: Path
    epochs: int
    split: str

    def of(self, name: str, card: str, setting: str, seed: int) -> Found:
        """A setting on a set, by a study of one network."""
        folder = self.runs / f"{name}, {setting}".replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        topology = network(load(card), SETTINGS[setting])
        _write(folder / "network.yaml", topology.model_dump(mode="json"))
        _write(folder / "study.yaml", self._study(topology, card, SETTINGS[setting], seed))
        out = folder / f"seed-{seed}"
        run_study(folder / "study.yaml", out=out, engine="local:1")
        with (out / "rows.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        by_count = {
            count: [100 * float(row["overall"]) for row in rows if int(row["count"]) == count]
            for count in (0, topology.views // 2)
        }
        (run,) = [open_run(path) for path in (out / "runs").iterdir() if path.is_dir()]
        whole, half = (float(np.mean(found)) for found in by_count.values())
        return Found(whole, half, int(rows[0]["samples"]), float(rows[0]["payload_bytes"]), run)

    def _study(
        self, topology: Topology, card: str, chosen: Setting, seed: int
    ) -> Mapping[str, object]:
        views = topology.views
        lost = [
            [topology.devices[v] for v in np.flatnonzero(~here_V)]
            for here_V in lost_masks(views, views // 2)
        ]
        settings = {**chosen.changes, "epochs": self.epochs}
        return {
            "name": "defaults",
            "data": str(find("datasets", card)),
            "topologies": ["network.yaml"],
            "settings": {key: [value] for key, value in settings.items()},
            "seeds": [seed],
            "masks": lost,
            "split": self.split,
        }


def _write(path: Path, document: object) -> None:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def network(data: DataSet, chosen: Setting) -> Topology:
    """The paper's network for these views, or the one for sensors."""
    if data.view_names == ("accelerometer", "gyroscope"):
        document = topology_of(data, chosen.bits).model_dump(mode="json")
        for block in document["tiers"][0]["section"]["blocks"]:
            block["filters"] = chosen.filters
    else:
        document = cameras(data, filters=(chosen.filters,)).model_dump(mode="json")
        document["tiers"][0]["section"] |= {
            "weight_bits": chosen.bits,
            "activation_bits": chosen.bits,
            "feature_bits": 1,
        }
    if chosen.upper_bits != 1:
        document["tiers"][1]["section"] |= {
            "weight_bits": chosen.upper_bits,
            "activation_bits": chosen.upper_bits,
        }
    return Topology.model_validate(document)


def simple(card: str, split: str) -> dict[str, Found]:
    """Answers without a network, of the same samples."""
    data = load(card)
    samples = data.part(split)
    labels_N = samples.fused_labels_N
    return {
        name: Found(100 * float((answer.predicted_N == labels_N).mean()), None, len(labels_N))
        for name, answer in baselines.fitted(data.part("train"), samples).items()
    }


def mean_ranks(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Of each name, over sets: 1 has the highest value; who tie share their ranks."""
    values = np.array(list(found.values()))  # names x sets
    ranks = stats.rankdata(-values, axis=0)
    return dict(zip(found, ranks.mean(axis=1).tolist(), strict=True))


def measure(
    table: RowFile, sets: Mapping[str, str], settings: Sequence[str], seed: int, trial: Trial
) -> None:
    """All rows of a seed that are not there, kept as they come."""
    for name, card in sets.items():
        if not table.has_row(SIMPLE[0], name, seed):
            for answer, found in simple(card, trial.split).items():
                table.add(answer, seed, {name: found.row()}, made_from([]))
    for setting in settings:
        for name, card in sets.items():
            if not table.has_row(setting, name, seed):
                found = trial.of(name, card, setting, seed)
                made = made_from([found.run] if found.run else [])
                table.add(setting, seed, {name: found.row()}, made)
                print(f"{name}: seed {seed}, {setting}: {found.row()}", flush=True)


def markdown(path: Path) -> str:
    """The table of README.md from the rows: per cent right with nobody and with half of the devices
    lost, means over seeds, and mean ranks over the sets, of what has them all; simple answers lose
    nothing, so they have no rank with half lost."""
    found = read_rows(path).values()
    names, sets = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
    ranks = {measured: _ranks(found, names, sets, measured) for measured in (WHOLE, HALF)}
    heading = [f"{name} (n = {_samples(found, name)})" for name in sets]
    lines = [["", *heading, "seeds", "mean rank, whole", "mean rank, half lost"]]
    lines.append(["---"] * len(lines[0]))
    for name in names:
        rows = [found.get((name, column), {}) for column in sets]
        seeds = sorted({len(row[WHOLE]) for row in rows if row})
        lines.append(
            [
                name.replace("_", " "),
                *(_cell(row, (WHOLE, HALF)) for row in rows),
                " to ".join(str(count) for count in {seeds[0], seeds[-1]}),
                *(f"{ranks[x][name]:.1f}" if name in ranks[x] else "" for x in (WHOLE, HALF)),
            ]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def chosen_markdown(path: Path) -> str:
    """The table of what was chosen, a line a set: per cent of the test samples right with nobody
    and with half of the devices lost, payload bytes a device and sample, bytes of a device's
    weights."""
    found = read_rows(path).values()
    settings = list(dict.fromkeys(key[0] for key in found if key[0] in SETTINGS))
    heads = ("right, whole / half lost", "payload B", "weights B")
    lines = [["set", *(f"`{setting}`: {head}" for setting in settings for head in heads)]]
    lines.append(["---"] * len(lines[0]))
    for name in dict.fromkeys(key[1] for key in found):
        cells = [f"{name} (n = {_samples(found, name)})"]
        for setting in settings:
            row = found.get((setting, name), {})
            cells += [_cell(row, (WHOLE, HALF)), f"{np.mean(row['payload_bytes']):.0f}"]
            cells.append(f"{np.mean(row['device_bits']) / 8:,.0f}")
        lines.append(cells)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ranks(
    found: Measures, names: Sequence[str], sets: Sequence[str], measured: str
) -> dict[str, float]:
    complete = {
        name: [float(np.mean(found[name, column][measured])) for column in sets]
        for name in names
        if all(measured in found.get((name, column), {}) for column in sets)
    }
    return mean_ranks(complete) if complete else {}


def _samples(found: Measures, name: str) -> int:
    return next(round(row[f"{WHOLE}_samples"][0]) for key, row in found.items() if key[1] == name)


def _cell(row: Mapping[str, Sequence[float]], measures: Sequence[str]) -> str:
    return " / ".join(f"{np.mean(row[name]):.1f}" for name in measures if name in row)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Writes the rows and prints their table; gives their file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    add_only(parser, SETTINGS)
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments/defaults"))
    add_places(parser, smoke="one small set, two settings, one epoch")
    given = parser.parse_args(arguments)
    sets = SMOKE_SETS if given.smoke else SETS
    trial = Trial(runs=given.runs.resolve(), epochs=1 if given.smoke else EPOCHS, split=given.split)
    settings = given.only[: 2 if given.smoke else None]
    record = dict.fromkeys(ASKED, "") | {"test_samples": "0", "changed": f"epochs={trial.epochs}"}
    file = results_folder(given) / ("defaults.csv" if trial.split == "validation" else "chosen.csv")
    table = RowFile(file, [*SETTINGS, *SIMPLE], record, is_fresh=given.smoke)
    for seed in range(given.seeds):
        measure(table, sets, settings, seed, trial)
    print(markdown(table.path))
    return table.path


if __name__ == "__main__":
    command(main)
