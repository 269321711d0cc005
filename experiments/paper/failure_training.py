"""Trainings that know of failures, beside dropping devices at random: are they better?

    python experiments/paper/failure_training.py --data epfl-by-object --seeds 5

The ways are described in failure_ways.py, and chosen by failure_choice.py. Rows as those of
ablation.py, with thresholds for each number of lost devices; `one_rule`: with one for all losses,
`rule_points`: what the others gain on it. `unseen N`: the same measure of samples to choose by,
which are neither trained nor tested on: validation samples, or rendered ones of another seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView
from ddnn.topology import Topology
from ddnn.training.failures import OVERALL, SubsetAccuracy
from ddnn.training.run import Run
from experiments.paper import ablation
from experiments.paper.failure_afterwards import Changed
from experiments.paper.failure_ways import WAYS, Way
from experiments.shared.launches import Rules
from experiments.shared.objects import share_right
from experiments.shared.study import Experiment, Rows, Study, main
from experiments.shared.variants import cameras

UNSEEN = Path(__file__).with_name("rendered-unseen.yaml")
UNSEEN_COUNTS = (0, 1, 3, 5)
"""Devices lost in the rows `unseen`."""


def trained(study: Study, setting: str, seed: int) -> Run:
    """The network of a way."""
    way = WAYS[setting]
    own = replace(study, runs=study.runs / setting) if way.has_own_code else study
    with way.patch():
        return own.train(network(study.data, way), seed=seed, preset="robust", **way.changes)


def measure(study: Study, setting: str, seed: int) -> Rows:
    """See ablation.measure."""
    run, card = trained(study, setting, seed), study.data
    changed, test = WAYS[setting].after(run, card), card.part("test")
    found = subsets_of(changed, test)
    rows = {n: dict(row) for n, row in ablation.rows_of_subsets(study, run, found).items()}
    one = Changed(
        parts=changed.parts, rules=one_rule(changed.rules), prior_class=changed.prior_class
    )
    for count, value in by_count(card, "test", one.right(test)).items():
        own = rows[str(count)].get("per_object", rows[str(count)]["overall"])
        rows[str(count)] |= {"one_rule": value, "rule_points": own - value}
    data, part = choice_of(card)
    unseen = by_count(data, part, changed.right(data.part(part)))
    return rows | {f"unseen {count}": {"right": unseen[count]} for count in UNSEEN_COUNTS}


def choice_of(data: DataSet) -> tuple[DataSet, str]:
    """Samples to choose by, and the name of their part."""
    return (load(UNSEEN), "test") if data.name == "rendered" else (data, "validation")


def subsets_of(changed: Changed, samples: MultiView) -> list[SubsetAccuracy]:
    """Overall alone, of each set of lost devices."""
    return [
        SubsetAccuracy(
            lost=lost, accuracy={OVERALL: float(right_N.mean())}, local_share=0.0, correct_N=right_N
        )
        for lost, right_N in changed.right(samples).items()
    ]


def network(data: DataSet, way: Way) -> Topology:
    """The paper's network, or its like in floats."""
    if not way.floats:
        return cameras(data)
    document = cameras(data, filters=(16,)).model_dump(mode="json")
    for tier in document["tiers"]:
        tier["section"] |= {"weight_bits": 32, "activation_bits": 32}
    return Topology.model_validate(document)


def one_rule(rules: Rules) -> Rules:
    """The threshold of one lost device for any number."""
    return {
        name: rule.model_copy(update={"threshold_lost": rule.threshold_lost[:1]})
        for name, rule in rules.items()
    }


def by_count(
    data: DataSet, part: str, found: Mapping[tuple[str, ...], NDArray[np.bool_]]
) -> dict[int, float]:
    """Per cent right by number of lost devices, over all sets of so many."""
    same: dict[int, list[NDArray[np.bool_]]] = {}
    for lost, right_N in found.items():
        same.setdefault(len(lost), []).append(right_N)
    return {count: right(data, part, np.mean(each, axis=0)) for count, each in same.items()}


def right(data: DataSet, part: str, right_N: NDArray[np.float64]) -> float:
    """Per cent, each object alike where they are known."""
    objects_N = None if data.objects_N is None else data.objects_N[getattr(data.split, part)]
    return share_right(right_N, objects_N, OVERALL)[OVERALL]


EXPERIMENT = Experiment(
    name="failure-training",
    about=__doc__ or "",
    settings=tuple(WAYS),
    measure=measure,
    draw=ablation.draw,
    published={},
    seeds=5,
)

if __name__ == "__main__":
    main(EXPERIMENT)
