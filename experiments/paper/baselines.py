"""What simple answers reach on a card's test samples: no network, no devices.

    python experiments/paper/baselines.py --data epfl-by-object

`commonest_class`, `nearest_pixels` (1-NN on the pixels of all views) and `linear` (logistic
regression on them) are those that `ddnn evaluate` prints. `near_copy` looks no further than
parked cars: the class of a training sample that some camera sees alike (within 12 grey levels,
rms), else the commonest class of the training samples that have no such copy. Nothing is drawn at
random, so that there is one row a baseline.

`still`: test samples with a near-copy among the other samples of the set; `moving`: the rest. Of a
card split by object, intervals are drawn over objects.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.data.multiview import DataSet
from ddnn.data.objects import copied, near_copies
from ddnn.training.baselines import fitted
from experiments.shared.objects import NEAR, apart
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main

NEAR_COPY = "near_copy"
ROW = "test"
SETTINGS = {
    "commonest_class": "the commonest class",
    NEAR_COPY: "near-copy of a training view, else the commonest",
    "nearest_pixels": "1-NN on pixels",
    "linear": "linear classifier on pixels",
}
"""In words."""


def measure(study: Study, setting: str, _seed: int) -> Rows:
    """Accuracy of one baseline."""
    data = study.data
    test = data.part("test")
    if setting == NEAR_COPY:
        predicted_N = by_near_copies(data)
    else:
        predicted_N = fitted(data.part("train"), test)[setting].predicted_N
    right_N = (predicted_N == test.fused_labels_N).astype(np.float64)
    return {ROW: apart(data, right_N, "overall")}


def by_near_copies(data: DataSet) -> NDArray[np.int64]:
    """The class of each test sample by the rule."""
    labels_N, split = data.samples.fused_labels_N, data.split
    is_train_N, is_test_N = (
        np.isin(np.arange(len(labels_N)), part) for part in (split.train, split.test)
    )
    alone_N = is_train_N & ~copied(data.samples, near=NEAR)
    classes = len(data.samples.classes)
    rest = int(np.bincount(labels_N[alone_N if alone_N.any() else is_train_N]).argmax())
    votes_NK = np.zeros((len(labels_N), classes), dtype=np.int64)
    for pair in near_copies(data.samples, near=NEAR, within_class=False):
        for one, other in (pair, pair[::-1]):
            if is_test_N[one] and is_train_N[other]:
                votes_NK[one, labels_N[other]] += 1
    found_N = np.where(votes_NK.any(axis=1), votes_NK.argmax(axis=1), rest)
    return found_N[split.test]


def draw(figure: Figure, means: Means) -> None:
    """Accuracy of each."""
    axes = figure.subplots()
    bars(axes, {setting: rows[ROW] for setting, rows in means.items()}, ["overall"])
    finish(axes, title="Simple answers", xlabel="")


EXPERIMENT = Experiment(
    name="baselines",
    about=__doc__ or "",
    settings=lambda _: list(SETTINGS),
    measure=measure,
    draw=draw,
    published={},
    seeds=1,
)

if __name__ == "__main__":
    main(EXPERIMENT)
