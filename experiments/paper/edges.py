"""The edge tier of figure 2 (d), (e), (f), which the paper drew but did not measure.

    python experiments/paper/edges.py --data rendered --seeds 3

Each is trained, measured under thresholds calibrated on validation data, and launched as
processes. (d) has one device: the camera that is most accurate alone. `batches`: the same recipe
with as many updates as the preset `robust` makes, in place of 100.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.training.evaluate import Evaluation
from ddnn.training.payload import link_payload
from experiments.paper.figure8 import order
from experiments.paper.launched import compared, with_killed
from experiments.shared.measures import at_exits, at_rules, evaluated
from experiments.shared.pictures import bars, by_way, finish
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import each_way, shipped, way_of

SINGLE = "d-device-edge-cloud"
CONFIGURATIONS = (SINGLE, "e-devices-edge-cloud", "f-edges-cloud")


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Accuracies, shares and bytes by tier, and whether the launch agrees."""
    configuration, changes = way_of(setting)
    data = study.data.seen_by(order(study)[-1:]) if configuration == SINGLE else study.data
    trained = study.train(shipped(configuration, data), seed=seed, data=data, **changes)
    test = data.part("test")
    evaluation = evaluated(trained, test)
    run = compared(with_killed(trained, test), evaluation)
    return {
        setting: at_exits(evaluation)
        | at_rules(evaluation)
        | by_tier(evaluation)
        | {name: run[name] for name in ("launched", "equal_verdicts")}
    }


def by_tier(evaluation: Evaluation) -> dict[str, float]:
    """Share answered at the edge and, per sample, bytes from the edges to the cloud."""
    verdicts, topology = evaluation.verdicts, evaluation.topology
    links = link_payload(topology, verdicts, evaluation.feature_bytes)
    upward = sum(
        count
        for (sender, receiver), count in links.items()
        if topology.nodes[sender].role == "edge" and topology.nodes[receiver].role == "cloud"
    )
    return {
        "edge_share": 100 * float((verdicts.exit_N == verdicts.exits.index("edge")).mean()),
        "edge_to_cloud_bytes": upward / len(verdicts.labels_N),
    }


def draw(figure: Figure, means: Means) -> None:
    """Bars of each exit and overall, a group a configuration, a panel a recipe."""
    for axes, found in by_way(figure, means):
        rows = {name[:1]: values for name, values in found.items()}
        bars(axes, rows, ("local", "edge", "cloud", "overall"))
        finish(axes, title=axes.get_title(), xlabel="")
    figure.suptitle("Figure 2 (d), (e), (f): each exit alone, and overall")


EXPERIMENT = Experiment(
    name="edges",
    about=__doc__ or "",
    settings=lambda study: CONFIGURATIONS[:1] if study.is_smoke else each_way(CONFIGURATIONS),
    measure=measure,
    draw=draw,
    published={},
)

if __name__ == "__main__":
    main(EXPERIMENT)
