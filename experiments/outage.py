"""Devices lost by a network trained as the paper did, and by one trained with devices dropped.

    python experiments/outage.py --data epfl --seeds 3

Same data, same topology (MP-CC, 4 filters), thresholds calibrated alike on validation data; the
presets `paper` and `robust` differ in the training alone. Mean and worst over all subsets of each
size, overall accuracy; `gain_points` is robust minus paper.
"""

from __future__ import annotations

from failures import found
from matplotlib.figure import Figure
from pictures import finish, line
from study import Experiment, Means, Rows, Study, main

from ddnn.report.plots import BLUE, ORANGE
from ddnn.training.failures import OVERALL, by_count

BOTH = "both"


def measure(study: Study, _setting: str, seed: int) -> Rows:
    """A row for each number of lost devices."""
    paper, robust = (
        by_count(found(study, preset, seed).outcomes) for preset in ("paper", "robust")
    )
    rows = {}
    for count in paper:
        theirs, ours = paper[count][OVERALL], robust[count][OVERALL]
        rows[str(count)] = {
            "paper": 100 * theirs.mean,
            "robust": 100 * ours.mean,
            "gain_points": 100 * (ours.mean - theirs.mean),
            "paper_worst": 100 * theirs.worst,
            "robust_worst": 100 * ours.worst,
        }
    return rows


def draw(figure: Figure, means: Means) -> None:
    axes = figure.subplots()
    rows, x = list(means[BOTH].values()), [int(count) for count in means[BOTH]]
    line(axes, x, rows, "paper", color=ORANGE)
    line(axes, x, rows, "robust", color=BLUE)
    finish(axes, title="Overall, mean over all subsets of lost devices", xlabel="devices lost")


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
