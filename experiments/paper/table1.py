"""Table I: nine pairs of local and cloud aggregators, every test sample at each exit.

python experiments/paper/table1.py --data rendered --seeds 3
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.topology import Aggregator
from experiments.shared.measures import at_exits, evaluated
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

FILTERS = 16  # the authors' exp_combining.py; the paper does not say
AGGREGATORS: dict[str, Aggregator] = {"MP": "max", "AP": "average", "CC": "concat"}
LOCAL_CLOUD = {
    "MP-MP": (95, 91), "MP-CC": (98, 98), "MP-AP": (89, 97),
    "AP-MP": (88, 93), "AP-CC": (75, 96), "AP-AP": (86, 98),
    "CC-MP": (77, 87), "CC-CC": (85, 94), "CC-AP": (80, 94),
}  # fmt: skip


def measure(study: Study, pair: str, seed: int) -> Rows:
    """Accuracy of both exits."""
    local, cloud = (AGGREGATORS[name] for name in pair.split("-"))
    topology = cameras(study.data, filters=(FILTERS,), local=local, cloud=cloud)
    run = study.train(topology, seed=seed)
    evaluation = evaluated(run, study.data.part("test"))
    return {pair: at_exits(evaluation, study.test_objects_N)}


def draw(figure: Figure, means: Means) -> None:
    """Bars of both exits, a group a pair."""
    axes = figure.subplots()
    bars(axes, {pair: rows[pair] for pair, rows in means.items()}, ("local", "cloud"))
    finish(axes, title="Table I: aggregators LOCAL-CLOUD; black: published", xlabel="")


EXPERIMENT = Experiment(
    name="table1",
    about=__doc__ or "",
    settings=lambda _: list(LOCAL_CLOUD),
    measure=measure,
    draw=draw,
    published={
        (pair, pair): {"local": local, "cloud": cloud}
        for pair, (local, cloud) in LOCAL_CLOUD.items()
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
