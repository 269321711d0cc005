"""The hybrid network's design space: energy against accuracy over N and k, by shortened trainings.

    python experiments/hybrid/hybrid_space.py               # 17 trainings: half an hour
    python experiments/hybrid/hybrid_space.py --run RUN     # with a full training marked apart

The first N convolutions are of k bits on the edge, the exit behind them; k = 32 is the unquantised
reference. Each network sees few images for few epochs (the card and EPOCHS), so only differences
within the plot mean something. The published share of samples is answered at the edge in all, by
thresholds from validation data.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from ddnn.blocks import Bits
from ddnn.model.energy import read_constants
from ddnn.report.plots import BLUE, GRAY, GREEN, INK, ORANGE
from ddnn.training.calibrate import Goal, calibrate
from ddnn.training.evaluate import evaluate
from ddnn.training.run import Run, open_run
from experiments.early_exit.recipe import PRESET, SMOKE_CARD
from experiments.hybrid.hybrid import (
    EXIT_WEIGHTS,
    RESIDUALS,
    answered,
    hybrid,
    options,
    point,
)
from experiments.shared.measures import exit_rows, with_rules
from experiments.shared.study import Experiment, Means, Rows, Study, main

BITS: tuple[Bits, ...] = (1, 2, 4, 8)
LABEL_AT: dict[int, tuple[int, int]] = {
    1: (4, -9),
    2: (4, 4),
    4: (-11, -9),
    8: (-11, 4),
    32: (4, 4),
}
"""Points right of and above a point, by bits: labels of neighbours stay apart."""
COLORS = dict(zip((*BITS, 32), (BLUE, GREEN, ORANGE, GRAY, INK), strict=True))
KNOWN_BITS: dict[str, Bits] = {str(bits): bits for bits in (*BITS, 32)}
EPOCHS, BATCH, LEARNING_RATE = 3, 32, 0.1
FULL = "full"


def settings(study: Study) -> list[str]:
    """`N,k` of each training, and the full one if given."""
    points = [f"{n},{k}" for k in BITS for n in RESIDUALS] + ["17,32"]
    if study.is_smoke:
        points = ["10,1", "26,4"]
    return [*points, FULL] if study.options.run else points


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Both exits, the rule, its energy and bytes."""
    constants = read_constants(study.options.energy)
    full = setting == FULL
    run = study.uses(open_run(study.options.run)) if full else trained(study, setting, seed)
    data = run.load_data() if setting == FULL else study.data
    evaluation = evaluate(run, data.part("test"))
    goal = Goal(early_share=point(study).edge_share / 100)
    rules = calibrate(run.joint, data.part("validation"), goal, prior_class=run.prior_class).rules
    return {setting: answered(with_rules(evaluation, rules), constants)} | exit_rows(evaluation)


def trained(study: Study, setting: str, seed: int) -> Run:
    """The network of `N,k`, trained jointly."""
    convolutions, bits = setting.split(",")
    return study.train(
        hybrid(int(convolutions), KNOWN_BITS[bits], study.data.samples.classes),
        seed=seed,
        epochs=EPOCHS,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
        exit_weights=EXIT_WEIGHTS,
    )


def draw(figure: Figure, means: Means) -> None:
    """Accuracy against energy, a point a network."""
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("compute", "sent"), strict=True):
        for bits, color in COLORS.items():
            points = {s: rows[s] for s, rows in means.items() if s.endswith(f",{bits}")}
            x = [values[f"{name}_times"].value for values in points.values()]
            found = [values["accuracy"] for values in points.values()]
            y = [accuracy.value for accuracy in found]
            ends = ([getattr(accuracy, end) for accuracy in found] for end in ("low", "high"))
            axes.vlines(x, *ends, color=color, lw=1, alpha=0.4)
            axes.plot(x, y, "o", color=color, ms=5, label=f"k = {bits}")
            for setting, *place in zip(points, x, y, strict=True):
                axes.annotate(
                    setting.split(",")[0], place, LABEL_AT[bits], textcoords="offset points",
                    color=color, fontsize=7,
                )  # fmt: skip
        if FULL in means:
            full = means[FULL][FULL]
            place = full[f"{name}_times"].value, full["accuracy"].value
            axes.plot(*place, "*", color=INK, ms=12, label="full training")
        axes.set(xlabel=f"times less energy ({name})")
    figure.axes[0].set_ylabel("% of test samples right")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle("Design space: numbers at the points are N")


EXPERIMENT = Experiment(
    name="hybrid-space",
    about=__doc__ or "",
    settings=settings,
    measure=measure,
    draw=draw,
    published={},
    preset=PRESET,
    seeds=1,
    card=str(Path(__file__).with_name("cifar10-few.yaml")),
    smoke_card=SMOKE_CARD,
    options=options,
    follow_from=("run", "energy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
