"""What each part of the preset `robust` gains: one at a time, and all but one.

    python experiments/paper/ablation.py --data rendered --seeds 5

From `paper`'s recipe at as many updates as `robust` makes (batches of 32, 60 epochs), each part is
added alone; from `robust`, each is left out. `paper` itself makes one update an epoch, 100 in all.
The network is that of the other scripts (MP-CC, 4 filters). Rows: by number of devices lost, means
over all subsets of that size, and expected accuracy where each device survives with 0.9. `overall`
is under thresholds calibrated on validation data, `local` and `cloud` are the exits alone. Of a
card split by object, what stands still (near-copies) and what moves are apart, and intervals are
drawn over objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.report.plots import BLUE, GRAY, INK
from ddnn.training.evaluate import evaluate
from ddnn.training.failures import OVERALL, SubsetAccuracy, by_count, every_failure
from ddnn.training.run import Run
from ddnn.training.settings import PRESETS, PresetName
from experiments.paper.outage import mean_right, sight_limit
from experiments.shared.measures import at_rules
from experiments.shared.objects import apart
from experiments.shared.study import OF_RECORD, Experiment, Means, Rows, Study, main
from experiments.shared.variants import BATCHES, cameras

COSINE = {"schedule": "cosine", "learning_rate": PRESETS["robust"].learning_rate}
MIXING = OF_RECORD["robust"]["view_mixing"]
CONSTANT = {"schedule": "constant", "learning_rate": PRESETS["paper"].learning_rate}
DROPOUT = {"device_dropout": PRESETS["robust"].device_dropout}
SETTINGS: Mapping[str, tuple[PresetName, Mapping[str, Any]]] = {
    "paper": ("paper", {}),
    "batches": ("paper", BATCHES),
    "robust": ("robust", {}),
    "batches + dropout + cosine": ("paper", BATCHES | DROPOUT | COSINE),
    "batches + dropout": ("paper", BATCHES | DROPOUT),
    "robust - mixing": ("robust", {"view_mixing": 0.0}),
    "robust - augmentation": ("robust", {"augment": "none"}),
    "robust - balance": ("robust", {"class_balance": False}),
    "robust - dropout": ("robust", {"device_dropout": 0.0}),
    "robust - cosine": ("robust", CONSTANT),
    "batches + cosine": ("paper", BATCHES | COSINE),
    "batches + mixing": ("paper", BATCHES | {"view_mixing": MIXING}),
    "batches + augmentation": ("paper", BATCHES | {"augment": "scene"}),
    "batches + balance": ("paper", BATCHES | {"class_balance": True}),
    "robust - best epoch": ("robust", {"keep": "last"}),
    "robust + clipped norms": ("robust", {"clip_norms": True}),
}
"""Preset and what is changed of it, in the order of what is asked first."""
SURVIVAL = 0.9
SHOWN = ("0", "1", "3", "5")
"""Numbers of devices lost that the picture has."""


def measure(study: Study, setting: str, seed: int) -> Rows:
    """A row for each number of lost devices, and the expected accuracy."""
    preset, changes = SETTINGS[setting]
    return rows_of(study, preset, changes, seed=seed)


def rows_of(study: Study, preset: PresetName, changes: Mapping[str, Any], *, seed: int) -> Rows:
    """As `measure`, of a preset and what is changed of it."""
    run = study.train(cameras(study.data), seed=seed, preset=preset, **changes)
    return rows_of_run(study, run)


def rows_of_run(study: Study, run: Run) -> Rows:
    """As `measure`, of a trained network."""
    test = study.data.part("test")
    found = every_failure(run.joint, test, run.rules, prior_class=run.prior_class)
    return rows_of_subsets(study, run, found)


def rows_of_subsets(study: Study, run: Run, found: list[SubsetAccuracy]) -> Rows:
    """As `measure`, of what is right in each set of lost devices."""
    test = study.data.part("test")
    rows: dict[str, dict[str, float]] = {}
    for count, losses in by_count(found).items():
        rows[str(count)] = {name: 100 * loss.mean for name, loss in losses.items()}
        rows[str(count)]["overall_worst"] = 100 * losses[OVERALL].worst
        rows[str(count)]["sight_limit"] = 100 * sight_limit(test, lost=count)
        rows[str(count)] |= apart(study.data, mean_right(found, lost=count), OVERALL)
    rows["0"] |= at_rules(evaluate(run, test))
    without_N = test.fused_labels_N == run.prior_class
    right_N = expected(found, without_N, devices=study.cameras, survival=SURVIVAL)
    rows[f"survival {SURVIVAL}"] = apart(study.data, right_N, OVERALL)
    return rows


def expected(
    found: Sequence[SubsetAccuracy],
    without_N: NDArray[np.bool_],
    *,
    devices: int,
    survival: float,
) -> NDArray[np.float64]:
    """(N,) chance that each sample is right, devices failing independently.

    found: of all subsets that leave a device. without_N: right when none is left.
    """
    right_N = without_N * (1 - survival) ** devices
    for subset in found:
        lost = len(subset.lost)
        right_N = right_N + subset.correct_N * survival ** (devices - lost) * (1 - survival) ** lost
    return right_N


def draw(figure: Figure, means: Means) -> None:
    """Overall accuracy of each setting, a panel a number of devices lost."""
    panels = figure.subplots(1, len(SHOWN), sharey=True)
    settings = list(means)
    at = range(len(settings))
    is_by_object = "per_object" in means[settings[0]][SHOWN[0]]
    measure = "per_object" if is_by_object else OVERALL
    for axes, lost in zip(panels, SHOWN, strict=True):
        found = [means[setting][lost][measure] for setting in settings]
        colors = [GRAY if setting == "paper" else BLUE for setting in settings]
        axes.barh(at, [mean.value for mean in found], color=colors)
        if not is_by_object:
            axes.axvline(means[settings[0]][lost]["sight_limit"].value, color=INK, lw=1, ls=":")
        axes.set(xlim=(0, 100), title=f"{lost} lost")
    panels[0].set_yticks(at, settings, fontsize=7)
    panels[0].invert_yaxis()
    text = "% of test samples; dotted: limit of sight"
    text = "% of test objects, each alike" if is_by_object else text
    figure.supxlabel(f"overall, {text}", fontsize=8)


EXPERIMENT = Experiment(
    name="ablation",
    about=__doc__ or "",
    settings=tuple(SETTINGS),
    measure=measure,
    draw=draw,
    published={},
    seeds=5,
)

if __name__ == "__main__":
    main(EXPERIMENT)
