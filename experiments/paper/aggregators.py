"""What each way to fuse is worth, with none to all but one of the devices lost.

    python experiments/paper/aggregators.py --data rendered --seeds 3

One network (4 filters) for each aggregator, used for scores and for maps, trained with the preset
`robust`, which drops devices. A row for each number of lost devices: means over all subsets of
that size of the local and the cloud's exit answering every sample and of both together under
thresholds calibrated on validation data, and the worst subset.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.report.plots import BLUE, GRAY, GREEN, INK, ORANGE
from ddnn.topology import AGGREGATORS
from ddnn.training.failures import OVERALL, by_count, every_failure
from experiments.shared.pictures import finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

COLORS = (ORANGE, GRAY, INK, BLUE, GREEN)
MEASURES = ("local", "cloud", OVERALL)


def measure(study: Study, aggregator: str, seed: int) -> Rows:
    """A row for each number of lost devices."""
    run = study.train(cameras(study.data, local=aggregator, cloud=aggregator), seed=seed)
    test = study.data.part("test")
    subsets = every_failure(run.joint, test, run.rules, prior_class=run.prior_class)
    rows = {}
    for count, losses in by_count(subsets).items():
        rows[str(count)] = {name: 100 * losses[name].mean for name in MEASURES}
        rows[str(count)]["overall_worst"] = 100 * losses[OVERALL].worst
    return rows


def draw(figure: Figure, means: Means) -> None:
    """Overall accuracy against devices lost, on average and at worst."""
    for axes, measured in zip(figure.subplots(1, 2), (OVERALL, "overall_worst"), strict=True):
        for (aggregator, rows), color in zip(means.items(), COLORS, strict=True):
            x = [int(count) for count in rows]
            line(axes, x, list(rows.values()), measured, color=color, name=aggregator)
        title = "mean over all subsets" if measured == OVERALL else "worst subset"
        finish(axes, title=title, xlabel="devices lost", legend="lower left")


EXPERIMENT = Experiment(
    name="aggregators",
    about=__doc__ or "",
    settings=lambda _: list(AGGREGATORS),
    measure=measure,
    draw=draw,
    published={},
    preset="robust",
)

if __name__ == "__main__":
    main(EXPERIMENT)
