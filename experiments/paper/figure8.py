"""Figure 8: devices added in the order of what each is worth alone, and that worth.

    python experiments/paper/figure8.py --data rendered --seeds 3

A new network is trained for every number of devices (16 filters, MP-CC). A sample that none of
them sees still counts. The order is that of accuracy alone on validation data, seed 0. `batches`:
the same recipe with as many updates as the preset `robust` makes, in place of 100.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ddnn.data.multiview import DataSet
from ddnn.topology import Topology
from ddnn.training.run import Run
from experiments.shared.measures import both_rules, evaluated, right_alone
from experiments.shared.pictures import by_way, finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras, each_way, way_of

FILTERS, ALONE_FILTERS = 16, 1  # the authors' exp_increasing.py and exp_individual.py
PUBLISHED = {
    "1": (37, 37, 55, 58), "2": (37, 43, 77, 80), "3": (46, 75, 87, 88),
    "4": (52, 94, 95, 96), "5": (60, 95, 97, 99), "6": (73, 97, 99, 99),
}  # fmt: skip
MEASURES = ("individual", "local", "cloud", "overall")


def alone(study: Study, seed: int, **changes: Any) -> Run:
    """One device's ConvP and FC for each camera, trained on its own views and nothing else.

    The six are trained side by side: with no weight on the exits that fuse them, none touches
    another.
    """
    topology = cameras(study.data, filters=(ALONE_FILTERS,))
    nothing = {"local": 0.0, "cloud": 0.0}
    return study.train(topology, seed=seed, exit_weights=nothing, keep="last", **changes)


def order(study: Study) -> list[int]:
    """Cameras from the least accurate alone to the most, on validation data."""
    right_V = right_alone(alone(study, 0), study.data.part("validation"))
    return [int(view) for view in np.argsort(right_V, kind="stable")]


def network(data: DataSet) -> Topology:
    """The network of figures 8 and 10 for these cameras."""
    return cameras(data, filters=(FILTERS,))


def measure(study: Study, setting: str, seed: int) -> Rows:
    """The first so many devices together, and the last of them alone."""
    count, changes = way_of(setting)
    first = order(study)[: int(count)]
    data = study.data.seen_by(sorted(first)) if len(first) < study.cameras else study.data
    right_V = right_alone(alone(study, seed, **changes), study.data.part("test"))
    trained = study.train(network(data), seed=seed, data=data, **changes)
    found = {"camera": float(first[-1]), "individual": float(right_V[first[-1]])}
    return {setting: found | both_rules(evaluated(trained, data.part("test")))}


def draw(figure: Figure, means: Means) -> None:
    """Accuracy against the number of devices, a panel a recipe."""
    for axes, found in by_way(figure, means):
        for measured in MEASURES:
            line(axes, [int(count) for count in found], list(found.values()), measured)
        finish(axes, title=axes.get_title(), xlabel="devices")
    figure.suptitle("Figure 8: devices added, T = 0.8; dashed: published")


EXPERIMENT = Experiment(
    name="figure8",
    about=__doc__ or "",
    settings=lambda study: each_way(str(count + 1) for count in range(study.cameras)),
    measure=measure,
    draw=draw,
    published={
        (setting, setting): dict(zip(MEASURES, PUBLISHED[way_of(setting)[0]], strict=True))
        for setting in each_way(PUBLISHED)
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
