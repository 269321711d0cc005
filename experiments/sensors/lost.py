"""Sensors whose views differ, split by person: accuracy with each of them lost.

    python experiments/sensors/lost.py --data sensors --seeds 3
    DDNN_DATA=FOLDER python experiments/sensors/lost.py --data watch --seeds 4

Each seed draws other people for training, validation and test. Sections have 1 bit or 32 bits a
weight and activation; the cloud has 32. Beside them the commonest class and a linear classifier.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure

from ddnn import shipped
from ddnn.data.card import SubjectSplit, load_card
from ddnn.data.loading import build
from ddnn.data.multiview import DataSet
from ddnn.topology import Topology, read_topology
from ddnn.training import baselines
from experiments.shared.measures import at_exits, at_rules, evaluated, share
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main

FOLDER = Path(__file__).parent
BITS = {"1 bit": 1, "32 bits": 32}


def measure(study: Study, setting: str, seed: int) -> Rows:
    """A row for each set of lost devices, but that of all."""
    data = drawn_anew(study, seed)
    topology = topology_of(study.data, BITS[setting])
    trained = study.train(topology, seed=seed, data=data)
    test = data.part("test")
    rows: Rows = {}
    for count in range(topology.views):
        for lost in combinations(topology.devices, count):
            found = evaluated(trained, test, lost)
            rows[" and ".join(lost) or "none"] = at_exits(found) | at_rules(found)
    labels_N = test.fused_labels_N
    for name, baseline in baselines.fitted(data.part("train"), test).items():
        right = int((baseline.predicted_N == labels_N).sum())
        rows[name.replace("_", " ")] = share(right, len(labels_N), "overall")
    return rows


def drawn_anew(study: Study, seed: int) -> DataSet:
    """The data with other people in each part."""
    card = load_card(study.card)
    assert isinstance(card.split, SubjectSplit)
    split = card.split.model_copy(update={"seed": seed})
    data = build(card.model_copy(update={"split": split}), shipped.find("datasets", study.card))
    return replace(data, name=study.data.name)


def topology_of(data: DataSet, bits: int) -> Topology:
    """The one for these sensors, its devices with so many bits."""
    is_watch = data.view_names == ("accelerometer", "gyroscope")
    topology = read_topology(FOLDER / "watch.yaml" if is_watch else "sensors")
    document = topology.model_dump(mode="json")
    own = [node["section"] for node in document["nodes"].values() if node["section"]]
    for section in (document["tiers"][0]["section"], *own):
        section |= {"weight_bits": bits, "activation_bits": bits, "feature_bits": 1}
    return Topology.model_validate(document)


def draw(figure: Figure, means: Means) -> None:
    """Bars of each exit and overall, a group a set of lost devices."""
    setting = next(iter(means))
    rows = {name: row for name, row in means[setting].items() if "local" in row}
    axes = figure.subplots()
    bars(axes, rows, ("local", "cloud", "overall"))
    finish(axes, title=f"Sensors lost, {setting}", xlabel="")


EXPERIMENT = Experiment(
    name="sensors-lost",
    about=__doc__ or "",
    settings=lambda study: tuple(BITS)[: 1 if study.is_smoke else None],
    measure=measure,
    draw=draw,
    published={},
    preset="robust",
    card="sensors",
    smoke_card=FOLDER / "smoke.yaml",
)

if __name__ == "__main__":
    main(EXPERIMENT)
