"""How much more can be right with devices lost: the limit of sight, and what more networks give.

    python experiments/paper/headroom.py --data epfl-by-object

Of the preset `robust` as it ships, by number of lost devices, over all sets of them: under its own
rules (`rules`); local and cloud exit answering each sample together, their log probabilities added
(`both exits`); and both exits of `NETWORKS` networks of other seeds added (`networks`), more than
any averaging of one network's weights can be expected to give. `limit` is of a system that is right
wherever a device that is left sees the object, and takes the class that counts most elsewhere.
`chosen` is of samples to choose by (see failure_choice.py), `right` of test samples; each object
alike where objects are known.
N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.data.multiview import DataSet, MultiView
from ddnn.model.sections import SectionOutput
from ddnn.report.plots import BLUE, GRAY, INK, ORANGE
from ddnn.training.failures import every_failure, present_without, subsets
from ddnn.training.predict import fuse, perceive
from ddnn.training.run import Run
from experiments.paper.ablation import SURVIVAL
from experiments.paper.failure_training import choice_of, right
from experiments.paper.headline import SHIPS
from experiments.shared.pictures import finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

NETWORKS = 3
"""Added up: of a seed and of those after it."""
RULES, EXITS, MORE, LIMIT = "rules", "both exits", "networks", "limit"
Lost = tuple[str, ...]
Right = Mapping[Lost, NDArray[np.bool_]]
"""By set of lost devices, whether each sample is answered rightly, (N,)."""


def measure(study: Study, way: str, seed: int) -> Rows:
    """A row for each number of lost devices, and one for the expected accuracy."""
    seeds = range(seed, seed + NETWORKS) if way == MORE else (seed,)
    runs = [
        study.train(cameras(study.data), seed=number, preset="robust", **SHIPS) for number in seeds
    ]
    answers = WAYS[way]
    data, part = choice_of(study.data)
    rows: dict[str, dict[str, float]] = {}
    for measured, of, name in (("chosen", data, part), ("right", study.data, "test")):
        for row, value in in_rows(of, name, answers(runs, of, name)).items():
            rows.setdefault(row, {})[measured] = value
    return rows


def in_rows(data: DataSet, part: str, found: Right) -> dict[str, float]:
    """Per cent, by number of lost devices, and expected where each survives with SURVIVAL."""
    by_count: dict[int, list[NDArray[np.bool_]]] = {}
    for lost, right_N in found.items():
        by_count.setdefault(len(lost), []).append(right_N)
    means = {count: right(data, part, np.mean(each, axis=0)) for count, each in by_count.items()}
    devices = len(means)
    nobody_N = data.part(part).fused_labels_N == commonest(data.part("train"))
    expected = right(data, part, nobody_N.astype(float)) * (1 - SURVIVAL) ** devices
    for count, value in means.items():
        chance = SURVIVAL ** (devices - count) * (1 - SURVIVAL) ** count
        expected += value * chance * len(by_count[count])
    return {str(count): value for count, value in means.items()} | {
        f"survival {SURVIVAL}": expected
    }


def commonest(samples: MultiView) -> int:
    """Class."""
    return int(np.bincount(samples.fused_labels_N).argmax())


def by_rules(runs: Sequence[Run], data: DataSet, part: str) -> Right:
    """Of one network."""
    (run,) = runs
    found = every_failure(run.joint, data.part(part), run.rules, prior_class=run.prior_class)
    return {subset.lost: subset.correct_N for subset in found}


def by_all_exits(runs: Sequence[Run], data: DataSet, part: str) -> Right:
    """Log probabilities of all exits of all networks, added."""
    samples = data.part(part)
    devices = [perceive(run.joint, samples) for run in runs]
    found = {}
    for lost in subsets(runs[0].topology):
        sum_NK = sum(
            log_probabilities(run, made, samples, lost)
            for run, made in zip(runs, devices, strict=True)
        )
        found[lost] = np.asarray(sum_NK).argmax(axis=1) == samples.fused_labels_N
    return found


def log_probabilities(
    run: Run, devices: Mapping[str, SectionOutput], samples: MultiView, lost: Lost
) -> NDArray[np.float64]:
    """(N, K), of its exits together, at their temperatures."""
    logits = fuse(run.joint, devices, present_without(run.topology, lost, len(samples)))
    scaled = [x_NK.astype(float) / run.rules[name].temperature for name, x_NK in logits.items()]
    sums = [x_NK - np.logaddexp.reduce(x_NK, axis=1, keepdims=True) for x_NK in scaled]
    return np.asarray(np.sum(sums, axis=0))


def by_sight(runs: Sequence[Run], data: DataSet, part: str) -> Right:
    """What no system can pass: of what nobody sees, the class that counts most."""
    samples = data.part(part)
    labels_N, topology = samples.fused_labels_N, runs[0].topology
    found = {}
    for lost in subsets(topology):
        here_NV = present_without(topology, lost, len(samples)) & ~samples.absent_NV
        ways = [here_NV.any(axis=1) | (labels_N == k) for k in range(len(samples.classes))]
        found[lost] = max(ways, key=lambda right_N: right(data, part, right_N.astype(float)))
    return found


WAYS: Mapping[str, Callable[[Sequence[Run], DataSet, str], Right]] = {
    RULES: by_rules,
    EXITS: by_all_exits,
    MORE: by_all_exits,
    LIMIT: by_sight,
}


def draw(figure: Figure, means: Means) -> None:
    """Test accuracy against devices lost, a line a way."""
    axes = figure.subplots()
    colors = {RULES: GRAY, EXITS: BLUE, MORE: ORANGE, LIMIT: INK}
    for way, found in means.items():
        rows = {row: values for row, values in found.items() if row.isdigit()}
        line(
            axes,
            [int(row) for row in rows],
            list(rows.values()),
            "right",
            name=way,
            color=colors[way],
        )
    finish(axes, title="Test samples, mean over all sets of lost devices", xlabel="devices lost")


EXPERIMENT = Experiment(
    name="headroom",
    about=__doc__ or "",
    settings=tuple(WAYS),
    measure=measure,
    draw=draw,
    published={},
)

if __name__ == "__main__":
    main(EXPERIMENT)
