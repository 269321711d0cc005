"""Devices lost by a network trained as the paper did, and by one trained with devices dropped.

    python experiments/paper/outage.py --data epfl --seeds 3

Same data, same topology (MP-CC, 4 filters); the presets `paper` and `robust` differ in the training
alone. Accuracies are means over all subsets of each size: overall under thresholds calibrated alike
on validation data; `paper_rule`: the preset `paper` with the paper's T = 0.8; `_cloud`: the cloud's
exit answering all; `_worst`: the worst subset. Points gained are robust's over paper's. Where
objects are known, each counts the same, and intervals of points gained overall are over objects.
`sight_limit`: samples that a device which is left sees, and the commonest class of the others: no
system can get more right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.data.multiview import MultiView
from ddnn.report.plots import BLUE, GRAY, GREEN, INK, ORANGE
from ddnn.training.failures import OVERALL, SubsetAccuracy, by_count
from experiments.paper.failures import PRESETS, found
from experiments.shared.measures import PAPER_THRESHOLD
from experiments.shared.objects import each_alike, share_right
from experiments.shared.pictures import finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main

BOTH = "both"


def measure(study: Study, _setting: str, seed: int) -> Rows:
    """A row for each number of lost devices."""
    subsets = [found(study, preset, seed).subsets for preset in PRESETS]
    subsets.append(found(study, "paper", seed, PAPER_THRESHOLD).subsets)
    paper, robust, own_rule = (by_count(each) for each in subsets)
    test, objects_N = study.data.part("test"), study.test_objects_N
    weights_N = each_alike(objects_N)
    rows = {}
    for count in paper:
        theirs, ours = paper[count], robust[count]
        means = {
            "paper": theirs[OVERALL].mean,
            "paper_rule": own_rule[count][OVERALL].mean,
            "paper_cloud": theirs["cloud"].mean,
            "robust": ours[OVERALL].mean,
            "robust_cloud": ours["cloud"].mean,
            "paper_worst": theirs[OVERALL].worst,
            "robust_worst": ours[OVERALL].worst,
            "sight_limit": sight_limit(test, lost=count, weights_N=weights_N),
            "gained_cloud_points": ours["cloud"].mean - theirs["cloud"].mean,
        }
        theirs_N, ours_N, own_rule_N = (mean_right(each, lost=count) for each in subsets)
        rows[str(count)] = (
            {name: 100 * value for name, value in means.items()}
            | share_right(ours_N - theirs_N, objects_N, "gained_points")
            | share_right(ours_N - own_rule_N, objects_N, "gained_over_rule_points")
        )
    return rows


def mean_right(subsets: Sequence[SubsetAccuracy], *, lost: int) -> NDArray[np.float64]:
    """(N,): of all sets of so many lost devices, the share for which each sample is right."""
    return np.asarray(np.mean([one.correct_N for one in subsets if len(one.lost) == lost], axis=0))


def sight_limit(
    samples: MultiView, *, lost: int, weights_N: NDArray[np.float64] | None = None
) -> float:
    """Share that is right if all samples that are still seen are: mean over all subsets.

    What nobody sees is answered by the class that is commonest there. weights_N: how much each
    sample counts; None: all alike.
    """
    weights_N = np.ones(len(samples)) if weights_N is None else weights_N
    seen_NV = ~samples.absent_NV
    limits = []
    for views in combinations(range(seen_NV.shape[1]), seen_NV.shape[1] - lost):
        seen_N = seen_NV[:, list(views)].any(axis=1)
        unseen_K = np.bincount(samples.fused_labels_N[~seen_N], weights_N[~seen_N], minlength=1)
        limits.append((weights_N[seen_N].sum() + unseen_K.max()) / weights_N.sum())
    return float(np.mean(limits))


def draw(figure: Figure, means: Means) -> None:
    """Accuracy of both presets against devices lost, with the limit of sight."""
    axes = figure.subplots()
    rows, x = list(means[BOTH].values()), [int(count) for count in means[BOTH]]
    line(axes, x, rows, "paper", color=ORANGE)
    line(axes, x, rows, "paper_rule", color=GREEN, name="paper, T = 0.8")
    line(axes, x, rows, "paper_cloud", color=GRAY, name="paper, cloud's exit")
    line(axes, x, rows, "robust", color=BLUE)
    line(axes, x, rows, "sight_limit", color=INK, name="limit of sight")
    title = "Overall, mean over all subsets of lost devices"
    finish(axes, title=title, xlabel="devices lost", legend="lower left")


EXPERIMENT = Experiment(
    name="outage",
    about=__doc__ or "",
    settings=lambda _: [BOTH],
    measure=measure,
    draw=draw,
    published={},
    seeds=5,
)

if __name__ == "__main__":
    main(EXPERIMENT)
