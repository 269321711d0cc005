"""Figure 10: one device lost, both ways: retrained without it, and lost by the trained network.

    python experiments/paper/figure10.py --data rendered --seeds 3

The paper trained a new network with five devices for each one lost. A real outage takes a device
from the network that was trained with all; that is harder. Device 1 is the least accurate alone.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.report.plots import GRAY
from experiments.paper.figure8 import network, order
from experiments.shared.measures import both_rules, evaluated
from experiments.shared.pictures import finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main

PUBLISHED = {
    "1": (92, 98, 99), "2": (94, 98, 99), "3": (97, 98, 99),
    "4": (95, 97, 99), "5": (96, 96, 96), "6": (94, 95, 98),
}  # fmt: skip
WAYS = ("retrained", "outage")
NONE_LOST = "none"


def measure(study: Study, lost: str, seed: int) -> Rows:
    """Both ways to be without the `lost`-th device; `none`: all are there."""
    whole = study.train(network(study.data), seed=seed)
    test = study.data.part("test")
    if lost == NONE_LOST:
        return {NONE_LOST: both_rules(evaluated(whole, test))}
    camera = order(study)[int(lost) - 1]
    data = study.data.seen_by([view for view in range(study.cameras) if view != camera])
    retrained = evaluated(study.train(network(data), seed=seed, data=data), data.part("test"))
    outage = evaluated(whole, test, lost=[whole.topology.devices[camera]])
    found = {"camera": float(camera)}
    for way, evaluation in zip(WAYS, (retrained, outage), strict=True):
        found |= {f"{way}_{name}": value for name, value in both_rules(evaluation).items()}
    return {lost: found}


def draw(figure: Figure, means: Means) -> None:
    """Accuracy without each device, both ways; what is left of all devices as a dotted line."""
    rows = {lost: found[lost] for lost, found in means.items() if lost != NONE_LOST}
    for axes, way in zip(figure.subplots(1, 2), WAYS, strict=True):
        for name in ("local", "cloud", "overall"):
            line(axes, [int(x) for x in rows], list(rows.values()), f"{way}_{name}", name=name)
        axes.axhline(means[NONE_LOST][NONE_LOST]["overall"].value, color=GRAY, lw=1, ls=":")
        finish(axes, title=way, xlabel="device lost", bottom=50)
    figure.suptitle("Figure 10: one device lost, T = 0.8; dotted: none lost; dashed: published")


EXPERIMENT = Experiment(
    name="figure10",
    about=__doc__ or "",
    settings=lambda study: [NONE_LOST, *(str(x + 1) for x in range(study.cameras))],
    measure=measure,
    draw=draw,
    published={
        (lost, lost): dict(
            zip(("retrained_local", "retrained_cloud", "retrained_overall"), values, strict=True)
        )
        for lost, values in PUBLISHED.items()
    }
    | {(NONE_LOST, NONE_LOST): {"local": 97, "cloud": 99, "overall": 99}},
)

if __name__ == "__main__":
    main(EXPERIMENT)
