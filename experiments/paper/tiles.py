"""Tiles of one image as six devices: the outage table of the authors' later code.

    python experiments/paper/tiles.py --data mnist-tiles     # downloads MNIST through torchvision

Their PyTorch branch cuts MNIST in 3 x 2 tiles, trains residual networks at 32 bits without losing
devices, and gives the cloud's accuracy with devices missing. `plain` is that setting; `dropout`
trains the same network with devices dropped out. The default card needs no download: scikit-learn's
digits. Networks are smaller than theirs, with one residual block a stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ddnn.data.multiview import DataSet
from ddnn.topology import Topology
from experiments.shared.measures import at_exits, evaluated
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

EPOCHS, BATCH = 10, 32
TRAININGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"device_dropout": 0.3},
}
TILES = 6
PUBLISHED = {
    "all": 99.17, "without 0": 98.52, "without 1": 99.15, "without 2": 78.70, "without 3": 86.90,
    "without 4": 87.06, "without 5": 98.61, "only 0": 10.15, "only 0-1": 10.18, "only 0-2": 59.72,
    "only 0-3": 83.33, "only 0-4": 98.61,
}  # fmt: skip


def network(data: DataSet) -> Topology:
    """Residual sections at 32 bits; the cloud joins the maps of all tiles."""
    document = cameras(data).model_dump(mode="json")
    document["name"] = "tiles"
    device = [
        {"kind": "conv", "filters": 8},
        {"kind": "residual", "filters": 8},
        {"kind": "residual", "filters": 16, "stride": 2},
    ]
    cloud = [{"kind": "conv", "filters": 64}, {"kind": "residual", "filters": 128, "stride": 2}]
    for tier, blocks in zip(document["tiers"], (device, cloud), strict=True):
        tier["section"] |= {"weight_bits": 32, "activation_bits": 32, "blocks": blocks}
    return Topology.model_validate(document)


def measure(study: Study, training: str, seed: int) -> Rows:
    """The cloud's accuracy for each of the published sets of missing tiles."""
    changes = {"epochs": EPOCHS, "batch": BATCH} | TRAININGS[training]
    trained = study.train(network(study.data), seed=seed, **changes)
    test, devices = study.data.part("test"), trained.topology.devices
    rows = {}
    for row in PUBLISHED:
        evaluation = evaluated(trained, test, lost=[devices[tile] for tile in missing(row)])
        rows[row] = {"cloud": at_exits(evaluation)["cloud"]}
    return rows


def missing(row: str) -> list[int]:
    """The tiles that a row of the published table is without."""
    word, _, tiles = row.partition(" ")
    if word == "without":
        return [int(tiles)]
    return list(range(int(tiles[-1]) + 1, TILES)) if word == "only" else []


def draw(figure: Figure, means: Means) -> None:
    """Bars of both trainings, a group a set of missing tiles."""
    axes = figure.subplots()
    rows = {
        row: {training: found[row]["cloud"] for training, found in means.items()}
        for row in PUBLISHED
    }
    bars(axes, rows, list(means))
    axes.tick_params(axis="x", labelrotation=60)
    finish(axes, title="Tiles missing, the cloud's exit; black: published (MNIST)", xlabel="")


EXPERIMENT = Experiment(
    name="tiles",
    about=__doc__ or "",
    settings=lambda _: list(TRAININGS),
    measure=measure,
    draw=draw,
    published={("plain", row): {"cloud": value} for row, value in PUBLISHED.items()},
    card=str(Path(__file__).with_name("digits-tiles.yaml")),
)

if __name__ == "__main__":
    main(EXPERIMENT)
