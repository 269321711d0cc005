"""Which ways to train for failures look better than `robust`, on samples to choose by.

    python experiments/paper/failure_choice.py --data epfl-by-object

Per cent right, each object alike where objects are known, by number of lost devices, over all sets
of them: of validation samples, or of rendered ones of another seed, which are neither trained nor
tested on. No test sample is looked at: what is ahead here is tried on them by failure_training.py.
The ways are described in failure_ways.py; thresholds are for each number of lost devices.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.report.plots import BLUE, GRAY
from experiments.paper.failure_training import by_count, choice_of, trained
from experiments.paper.failure_ways import WAYS
from experiments.shared.study import Experiment, Means, Rows, Study, main

FIRST = "robust"


def measure(study: Study, setting: str, seed: int) -> Rows:
    """A row for each number of lost devices."""
    changed = WAYS[setting].after(trained(study, setting, seed), study.data)
    data, part = choice_of(study.data)
    found = by_count(data, part, changed.right(data.part(part)))
    return {str(count): {"right": value} for count, value in found.items()}


def draw(figure: Figure, means: Means) -> None:
    """By number of lost devices, a line a way."""
    axes = figure.subplots()
    for setting, rows in means.items():
        x, found = [int(row) for row in rows], [row["right"].value for row in rows.values()]
        axes.plot(x, found, color=BLUE if setting == FIRST else GRAY)
        axes.annotate(f" {setting.removeprefix('robust, ')}", (x[-1], found[-1]), fontsize=6)
    axes.set(xlabel="devices lost", ylabel="% right", xlim=(0, 7))
    axes.set_title("Samples to choose by")


EXPERIMENT = Experiment(
    name="failure-choice",
    about=__doc__ or "",
    settings=tuple(WAYS),
    measure=measure,
    draw=draw,
    published={},
)

if __name__ == "__main__":
    main(EXPERIMENT)
