"""Figure 9: filters in the devices' last layer against accuracy and bytes, 70 % answered locally.

    python experiments/paper/figure9.py --data rendered --seeds 3

Devices have two ConvP blocks, 4 filters and then 1, 2, 4 or 8, of 8 x 8 values each. The authors
raised T on the test set until 70 % exit; here it is chosen on validation data. `batches`: the same
recipe with as many updates as the preset `robust` makes, in place of 100.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.model.cost import section_bits
from ddnn.report.plots import GREEN
from ddnn.training.calibrate import Goal, calibrate
from experiments.shared.measures import at_exits, at_rules, evaluated, with_rules
from experiments.shared.pictures import by_way, finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras, each_way, way_of

FIRST_FILTERS = 4
LOCAL_SHARE = 0.7
PUBLISHED = {
    "1": (86, 90, 91, 70.18, 14, 432), "2": (90, 92, 95, 73.68, 16, 660),
    "4": (90, 92, 96, 70.76, 21, 1116), "8": (92, 94, 97, 71.35, 30, 2028),
}  # fmt: skip
MEASURES = ("local", "cloud", "overall", "local_share", "payload_bytes", "device_bits")


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Accuracies, bytes and the weights' memory for so many filters."""
    filters, changes = way_of(setting)
    topology = cameras(study.data, filters=(FIRST_FILTERS, int(filters)))
    trained = study.train(topology, seed=seed, **changes)
    goal = Goal(early_share=LOCAL_SHARE)
    validation = study.data.part("validation")
    rules = calibrate(trained.joint, validation, goal, prior_class=trained.prior_class).rules
    evaluation = evaluated(trained, study.data.part("test"))
    bits = {"device_bits": float(section_bits(topology, topology.devices[0]))}
    return {setting: at_exits(evaluation) | at_rules(with_rules(evaluation, rules)) | bits}


def draw(figure: Figure, means: Means) -> None:
    """Accuracy and bytes against filters, a panel a recipe."""
    panels = by_way(figure, means)
    for axes, found in panels:
        x, rows = [int(filters) for filters in found], list(found.values())
        for name in ("local", "cloud", "overall"):
            line(axes, x, rows, name)
        line(axes, x, rows, "payload_bytes", color=GREEN, name="payload, bytes")
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [str(filters) for filters in x])
        finish(axes, title=axes.get_title(), xlabel="filters", legend="center right")
        axes.set_ylabel("")
    figure.suptitle("Figure 9: filters and bytes; dashed: published")
    panels[0][0].set_ylabel("% of test samples; bytes a device and sample")


EXPERIMENT = Experiment(
    name="figure9",
    about=__doc__ or "",
    settings=lambda _: each_way(PUBLISHED),
    measure=measure,
    draw=draw,
    published={
        (setting, setting): dict(zip(MEASURES, PUBLISHED[way_of(setting)[0]], strict=True))
        for setting in each_way(PUBLISHED)
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
