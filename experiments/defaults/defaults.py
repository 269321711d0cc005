"""Which defaults serve a stranger's data: a few settings on seven unlike sets, by validation alone.

    DDNN_DATA=FOLDER python experiments/defaults/defaults.py --seeds 1

Each setting is a network and a training, short and equally long on all sets, run by `ddnn study`,
which keeps what is trained. Rows: validation accuracy overall, under calibrated thresholds, with
nobody lost and with half of the devices lost (the mean of at most ten such sets); beside them
simple answers, which have everything in one place. Test samples are never looked at. `mean rank`:
over the sets, 1 is the best; of a seed whose sets are all there.
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
from ddnn.shipped import find
from ddnn.topology import Topology
from ddnn.training import baselines
from ddnn.training.patterns import lost_masks
from experiments.sensors.lost import topology_of
from experiments.shared.provenance import made_from
from experiments.shared.rows import ASKED, RowFile, read_rows
from experiments.shared.script import FOLDER, add_places, command, results_folder
from experiments.shared.variants import cameras

HERE = Path(__file__).parent
EPOCHS = 12
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
RANKS = "mean rank"
WHOLE, HALF = "whole", "half_lost"
Measures = Mapping[tuple[str, str], Mapping[str, Sequence[float]]]
"""By setting and row, by measure, a value a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """filters, bits: of the devices; what they send has 1 bit. changes: of the preset `robust`."""

    filters: int = 4
    bits: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)


SETTINGS: Mapping[str, Setting] = {
    "default": Setting(),
    "views as they are": Setting(changes={"augment": "none", "view_mixing": 0.0}),
    "16 filters": Setting(filters=16),
    "16 filters, 32 bits": Setting(filters=16, bits=32),
    "a third of the rate": Setting(changes={"learning_rate": 1e-3}),
}
SIMPLE = (baselines.COMMONEST, baselines.NEAREST, baselines.LINEAR)


class Found(NamedTuple):
    """Per cent right, of so many validation samples."""

    whole: float
    half: float | None
    samples: int

    def row(self) -> dict[str, float]:
        """As measures."""
        row = {WHOLE: self.whole, f"{WHOLE}_samples": self.samples}
        if self.half is not None:
            row |= {HALF: self.half, f"{HALF}_samples": self.samples}
        return row


def tried(name: str, card: str, setting: str, seed: int, *, runs: Path, epochs: int) -> Found:
    """A setting on a set, by a study of one network."""
    data, chosen = load(card), SETTINGS[setting]
    topology = network(data, chosen)
    folder = runs / f"{name}, {setting}".replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.yaml").write_text(
        yaml.safe_dump(topology.model_dump(mode="json")), encoding="utf-8"
    )
    views = topology.views
    lost = [
        [topology.devices[v] for v in np.flatnonzero(~here_V)]
        for here_V in lost_masks(views, views // 2)
    ]
    study = {
        "name": "defaults",
        "data": str(find("datasets", card)),
        "topologies": ["network.yaml"],
        "settings": {key: [value] for key, value in (chosen.changes | {"epochs": epochs}).items()},
        "seeds": [seed],
        "masks": lost,
        "split": "validation",
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    run_study(folder / "study.yaml", out=folder / f"seed-{seed}", engine="local:1")
    with (folder / f"seed-{seed}" / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_count = {
        count: [100 * float(row["overall"]) for row in rows if int(row["count"]) == count]
        for count in (0, views // 2)
    }
    return Found(*(float(np.mean(found)) for found in by_count.values()), int(rows[0]["samples"]))


def network(data: DataSet, chosen: Setting) -> Topology:
    """The paper's network for these views, or the one for sensors."""
    if data.view_names == ("accelerometer", "gyroscope"):
        document = topology_of(data, chosen.bits).model_dump(mode="json")
        for block in document["tiers"][0]["section"]["blocks"]:
            block["filters"] = chosen.filters
        return Topology.model_validate(document)
    document = cameras(data, filters=(chosen.filters,)).model_dump(mode="json")
    document["tiers"][0]["section"] |= {
        "weight_bits": chosen.bits,
        "activation_bits": chosen.bits,
        "feature_bits": 1,
    }
    return Topology.model_validate(document)


def simple(card: str) -> dict[str, Found]:
    """Answers without a network, of the same samples."""
    data = load(card)
    validation = data.part("validation")
    labels_N = validation.fused_labels_N
    return {
        name: Found(100 * float((answer.predicted_N == labels_N).mean()), None, len(labels_N))
        for name, answer in baselines.fitted(data.part("train"), validation).items()
    }


def mean_ranks(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Of each name, over sets: 1 has the highest value; who tie share their ranks."""
    values = np.array(list(found.values()))  # names x sets
    ranks = stats.rankdata(-values, axis=0)
    return dict(zip(found, ranks.mean(axis=1).tolist(), strict=True))


def measure(
    table: RowFile, sets: Mapping[str, str], settings: Sequence[str], seed: int, *,
    runs: Path, epochs: int,
) -> None:  # fmt: skip
    """All rows of a seed, kept as they come."""
    every: dict[str, dict[str, Found]] = {}
    for name, card in sets.items():
        found = simple(card)
        for setting in settings:
            found[setting] = tried(name, card, setting, seed, runs=runs, epochs=epochs)
            print(f"{name}: seed {seed}, {setting}: {found[setting]}", flush=True)
        every[name] = found
        for setting, one in found.items():
            table.add(setting, seed, {name: one.row()}, made_from([]))
    for measured, names in ((WHOLE, [*settings, *SIMPLE]), (HALF, settings)):
        values = {
            name: [found[name].row()[measured] for found in every.values() if name in found]
            for name in names
        }
        for name, rank in mean_ranks(values).items():
            table.add(name, seed, {f"{RANKS}, {measured}": {"rank": rank}}, made_from([]))


def markdown(path: Path) -> str:
    """The table of README.md from the rows: per cent right with nobody and with half of the devices
    lost, means over seeds; and the mean ranks of both."""
    found = read_rows(path).values()
    names, columns = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
    sets = [column for column in columns if not column.startswith(RANKS)]
    ranks = [column for column in columns if column.startswith(RANKS)]
    heading = [f"{name} (n = {_samples(found, name)})" for name in sets]
    lines = [["", *heading, *ranks], ["---"] * (1 + len(sets) + len(ranks))]
    for name in names:
        cells = [_cell(found.get((name, column), {}), (WHOLE, HALF)) for column in sets]
        cells += [_cell(found.get((name, column), {}), ("rank",)) for column in ranks]
        lines.append([name.replace("_", " "), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _samples(found: Measures, name: str) -> int:
    return next(round(row[f"{WHOLE}_samples"][0]) for key, row in found.items() if key[1] == name)


def _cell(row: Mapping[str, Sequence[float]], measures: Sequence[str]) -> str:
    return " / ".join(f"{np.mean(row[name]):.1f}" for name in measures if name in row)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Writes the rows and prints their table; gives their file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments/defaults"))
    add_places(parser, smoke="one small set, two settings, one epoch")
    given = parser.parse_args(arguments)
    out, epochs = results_folder(given), 1 if given.smoke else EPOCHS
    sets = SMOKE_SETS if given.smoke else SETS
    settings = list(SETTINGS)[: 2 if given.smoke else None]
    record = dict.fromkeys(ASKED, "") | {"test_samples": "0", "changed": f"epochs={epochs}"}
    table = RowFile(out / "defaults.csv", [*settings, *SIMPLE], record, is_fresh=True)
    for seed in range(given.seeds):
        measure(table, sets, settings, seed, runs=given.runs.resolve(), epochs=epochs)
    print(markdown(table.path))
    return table.path


if __name__ == "__main__":
    command(main)
