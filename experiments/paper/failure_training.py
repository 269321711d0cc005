"""Trainings that know of failures, beside dropping devices at random: are they better?

    python experiments/paper/failure_training.py --data epfl-by-object --seeds 5

The ways are described in failure_ways.py, and chosen by failure_choice.py. Rows as those of
ablation.py, with thresholds for each number of lost devices; `one_rule`: with one for all losses,
`rule_points`: what the others gain on it. `unseen N`: the same measure of samples to choose by,
which are neither trained nor tested on: validation samples, or rendered ones of another seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView
from ddnn.topology import Topology
from ddnn.training.failures import SubsetAccuracy, failure, subsets
from ddnn.training.predict import perceive
from ddnn.training.run import Run
from experiments.paper import ablation
from experiments.paper.failure_afterwards import as_trained
from experiments.paper.failure_ways import WAYS, Way
from experiments.shared.launches import Rules
from experiments.shared.study import Experiment, Rows, Study, main
from experiments.shared.variants import cameras

UNSEEN = Path(__file__).with_name("rendered-unseen.yaml")
COUNTS = (0, 1, 3, 5)
"""Devices lost in the rows `unseen`."""
TRAININGS = [name for name, way in WAYS.items() if way.after is as_trained]


def trained(study: Study, setting: str, seed: int) -> Run:
    """The network of a way."""
    way = WAYS[setting]
    own = replace(study, runs=study.runs / setting) if way.has_own_code else study
    with way.patch():
        return own.train(network(study.data, way), seed=seed, preset="robust", **way.changes)


def measure(study: Study, setting: str, seed: int) -> Rows:
    """See ablation.measure."""
    run = trained(study, setting, seed)
    rows = {name: dict(row) for name, row in ablation.rows_of_run(study, run).items()}
    test, card = study.data.part("test"), study.data
    for count, value in by_count(run, card, "test", test, one_rule(run.rules)).items():
        own = rows[str(count)].get("per_object", rows[str(count)]["overall"])
        rows[str(count)] |= {"one_rule": value, "rule_points": own - value}
    data, part = (load(UNSEEN), "test") if card.name == "rendered" else (card, "validation")
    found = by_count(run, data, part, data.part(part), run.rules)
    return rows | {f"unseen {count}": {"right": value} for count, value in found.items()}


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
    run: Run, data: DataSet, part: str, samples: MultiView, rules: Rules
) -> dict[int, float]:
    """Per cent right, each object alike where they are known, over all sets of so many lost."""
    devices = perceive(run.joint, samples)
    found: dict[int, list[SubsetAccuracy]] = {count: [] for count in COUNTS}
    for lost in subsets(run.topology):
        if len(lost) in found:
            found[len(lost)].append(
                failure(run.joint, devices, samples, rules, lost=lost, prior_class=run.prior_class)
            )
    return {count: right(data, part, each) for count, each in found.items() if each}


def right(data: DataSet, part: str, found: Sequence[SubsetAccuracy]) -> float:
    """The mean of several sets of lost devices."""
    right_N = np.mean([subset.correct_N for subset in found], axis=0)
    if data.objects_N is None:
        return 100 * float(right_N.mean())
    objects_N = data.objects_N[getattr(data.split, part)]
    return 100 * float(np.mean([right_N[objects_N == n].mean() for n in np.unique(objects_N)]))


EXPERIMENT = Experiment(
    name="failure-training",
    about=__doc__ or "",
    settings=lambda study: study.options.only,
    measure=measure,
    draw=ablation.draw,
    published={},
    seeds=5,
    options=lambda parser: parser.add_argument(
        "--only", nargs="+", choices=TRAININGS, default=TRAININGS
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
