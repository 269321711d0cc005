"""Where depth pays: the cloud's exit beside the local one, on views that are hard for few filters.

    python experiments/paper/depth.py --seeds 3

The paper's network (MP-CC, 4 and 8 filters) by the paper's recipe, but in batches of 32 for 30
epochs: 100 updates leave the cloud untrained. `gained_points`: what the cloud has over the local
exit of the same samples, its 95 % interval that of the differences, or over seeds. Beside them the
simple answers of ddnn, which have all pixels in one place.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ddnn.data.multiview import DataSet
from ddnn.training import baselines
from experiments.early_exit.eeoi_bits import lost
from experiments.shared.measures import at_exits, at_rules, evaluated
from experiments.shared.pictures import bars, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

BATCHES = {"batch": 32, "epochs": 30}
SIMPLE = "simple answers"
FILTERS: Mapping[str, int] = {"4 filters": 4, "8 filters": 8}


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Both exits alone, and overall under calibrated thresholds; or a row a simple answer."""
    if setting == SIMPLE:
        return simple(study.data)
    topology = cameras(study.data, filters=(FILTERS[setting],))
    run = study.train(topology, seed=seed, **BATCHES)
    evaluation = evaluated(run, study.data.part("test"))
    found = evaluation.classes_at_exits
    local_N, cloud_N = (
        found[name] == evaluation.samples.fused_labels_N for name in ("local", "cloud")
    )
    over = lost(cloud_N, local_N)
    gained = {
        "gained_points": over["loss_points"],
        "gained_points_error": over["loss_points_error"],
    }
    return {setting: at_exits(evaluation) | at_rules(evaluation) | gained}


def simple(data: DataSet) -> Rows:
    """Answers that need no network."""
    test = data.part("test")
    found = baselines.fitted(data.part("train"), test)
    return {
        name: {"overall": 100 * float((answer.predicted_N == test.fused_labels_N).mean())}
        for name, answer in found.items()
    }


def draw(figure: Figure, means: Means) -> None:
    """Bars of each exit and overall, a group a number of filters."""
    axes = figure.subplots()
    rows = {name: means[name][name] for name in FILTERS if name in means}
    bars(axes, rows, ("local", "cloud", "overall"))
    finish(
        axes, title="Ten kinds of things in loose crops: each exit alone, and overall", xlabel=""
    )


EXPERIMENT = Experiment(
    name="depth",
    about=__doc__ or "",
    settings=lambda _: [*FILTERS, SIMPLE],
    measure=measure,
    draw=draw,
    published={},
    card="rendered-hard",
)

if __name__ == "__main__":
    main(EXPERIMENT)
