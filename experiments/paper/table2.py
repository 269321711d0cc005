"""Table II and figure 7: accuracy, local share and payload bytes against the threshold T.

    python experiments/paper/table2.py --data rendered --seeds 5

One trained network a seed and preset (MP-CC, 4 filters); the rows are the paper's thresholds on
entropies without a temperature, and `calibrated`: temperature and threshold from validation data.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from ddnn.report.plots import BLUE, GRAY, ORANGE
from experiments.shared.measures import at_exits, at_rules, evaluated, with_threshold
from experiments.shared.pictures import SHARES_TOP, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

PUBLISHED = {
    "0.1": (0.00, 96, 140), "0.3": (0.58, 96, 139), "0.5": (1.75, 96, 138), "0.6": (2.92, 96, 136),
    "0.7": (22.81, 96, 111), "0.8": (60.82, 97, 62), "0.9": (83.04, 96, 34), "1.0": (100, 92, 12),
}  # fmt: skip
LOCAL, CLOUD = 92, 96


def measure(study: Study, preset: str, seed: int) -> Rows:
    """A row for each threshold, and one for the calibrated rules."""
    trained = study.train(cameras(study.data), seed=seed, preset=preset)
    evaluation = evaluated(trained, study.data.part("test"))
    objects_N = study.test_objects_N
    by_rule = {t: with_threshold(evaluation, float(t)) for t in PUBLISHED}
    exits = at_exits(evaluation, objects_N)
    return {
        row: exits | at_rules(changed, objects_N)
        for row, changed in {**by_rule, "calibrated": evaluation}.items()
    }


def draw(figure: Figure, means: Means) -> None:
    """Accuracy, local share and bytes against T, a plot a preset."""
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, (preset, found) in zip((left, right), means.items(), strict=True):
        rows, x = [found[t] for t in PUBLISHED], [float(t) for t in PUBLISHED]
        line(axes, x, rows, "overall", color=BLUE, name="overall right")
        line(axes, x, rows, "local_share", color=GRAY, name="answered locally")
        line(axes, x, rows, "payload_bytes", color=ORANGE, name="payload, bytes")
        axes.set(title=f"preset {preset}", xlabel="threshold T", ylim=(0, 145))
        axes.axhline(SHARES_TOP - 3, color=GRAY, lw=0.5)
    left.set_ylabel("% of test samples, bytes a device and sample")
    left.legend(frameon=False, loc="center left")
    figure.suptitle("Table II, figure 7; dashed: published")


EXPERIMENT = Experiment(
    name="table2",
    about=__doc__ or "",
    settings=lambda _: ["paper", "robust"],
    measure=measure,
    draw=draw,
    published={
        ("paper", t): {
            "local": LOCAL,
            "cloud": CLOUD,
            "local_share": share,
            "overall": overall,
            "payload_bytes": payload,
        }
        for t, (share, overall, payload) in PUBLISHED.items()
    },
    seeds=5,
)

if __name__ == "__main__":
    main(EXPERIMENT)
