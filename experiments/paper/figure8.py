"""Figure 8: devices added in the order of what each is worth alone, and that worth.

    python experiments/paper/figure8.py --data rendered --seeds 3

A new network is trained for every number of devices (16 filters, MP-CC). A sample that none of
them sees still counts. The order is that of accuracy alone on validation data, seed 0.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ddnn.data.multiview import DataSet
from ddnn.topology import Topology
from ddnn.training.run import Run
from experiments.shared.measures import both_rules, evaluated, right_alone
from experiments.shared.pictures import finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

FILTERS, ALONE_FILTERS = 16, 1  # the authors' exp_increasing.py and exp_individual.py
PUBLISHED = {
    "1": (37, 37, 55, 58), "2": (37, 43, 77, 80), "3": (46, 75, 87, 88),
    "4": (52, 94, 95, 96), "5": (60, 95, 97, 99), "6": (73, 97, 99, 99),
}  # fmt: skip
MEASURES = ("individual", "local", "cloud", "overall")


def alone(study: Study, seed: int) -> Run:
    """One device's ConvP and FC for each camera, trained on its own views and nothing else.

    The six are trained side by side: with no weight on the exits that fuse them, none touches
    another.
    """
    topology = cameras(study.data, filters=(ALONE_FILTERS,))
    nothing = {"local": 0.0, "cloud": 0.0}
    return study.train(topology, seed=seed, exit_weights=nothing, keep="last")


def order(study: Study) -> list[int]:
    """Cameras from the least accurate alone to the most, on validation data."""
    right_V = right_alone(alone(study, 0), study.data.part("validation"))
    return [int(view) for view in np.argsort(right_V, kind="stable")]


def network(data: DataSet) -> Topology:
    """The network of figures 8 and 10 for these cameras."""
    return cameras(data, filters=(FILTERS,))


def measure(study: Study, count: str, seed: int) -> Rows:
    """The first `count` devices together, and the last of them alone."""
    first = order(study)[: int(count)]
    data = study.data.seen_by(sorted(first)) if len(first) < study.cameras else study.data
    right_V = right_alone(alone(study, seed), study.data.part("test"))
    trained = study.train(network(data), seed=seed, data=data)
    found = {"camera": float(first[-1]), "individual": float(right_V[first[-1]])}
    return {count: found | both_rules(evaluated(trained, data.part("test")))}


def draw(figure: Figure, means: Means) -> None:
    """Accuracy against the number of devices."""
    axes = figure.subplots()
    rows = [found[count] for count, found in means.items()]
    for measured in MEASURES:
        line(axes, [int(count) for count in means], rows, measured)
    finish(axes, title="Figure 8: devices added, T = 0.8; dashed: published", xlabel="devices")


EXPERIMENT = Experiment(
    name="figure8",
    about=__doc__ or "",
    settings=lambda study: [str(count + 1) for count in range(study.cameras)],
    measure=measure,
    draw=draw,
    published={
        (count, count): dict(zip(MEASURES, values, strict=True))
        for count, values in PUBLISHED.items()
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
