"""Every set of lost devices: accuracy of all 63 subsets, and what survival of each device gives.

    python experiments/paper/failures.py --data rendered --seeds 5 --survival .99,.99,.9,.9,.8,.99

The trained network (MP-CC, 4 filters) loses devices, as a launched one does. With devices that
each survive with a given probability the expected accuracy is the sum over all subsets; with none
left the commonest class answers. A list has one probability a device; one number is for all.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError
from ddnn.report.plots import BLUE, ORANGE
from ddnn.training.evaluate import evaluate
from ddnn.training.failures import OVERALL, SubsetAccuracy, by_count, every_failure
from ddnn.training.run import Run
from ddnn.training.settings import PresetName
from experiments.shared.measures import at_rules
from experiments.shared.objects import each_alike
from experiments.shared.pictures import finish, line
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

PRESETS: tuple[PresetName, ...] = ("paper", "robust")
SURVIVALS = (".99", ".95", ".9", ".8")
SURVIVAL = ", survival "
ALL = "lost none"


class Found(NamedTuple):
    """Of one network. without: right answers with no device left, per cent."""

    run: Run
    subsets: list[SubsetAccuracy]
    without: float


def found(study: Study, preset: PresetName, seed: int, threshold: float | None = None) -> Found:
    """Accuracies of all subsets on the test samples, each object alike where they are known.

    threshold: on entropies without a temperature; None: the rules calibrated on validation data.
    """
    trained = study.train(cameras(study.data), seed=seed, preset=preset)
    test, rules = study.data.part("test"), trained.rules
    weights_N = each_alike(study.test_objects_N)
    if threshold is not None:
        exits = list(rules)
        rules = {name: ExitRule(threshold=threshold) for name in exits[:-1]}
        rules[exits[-1]] = ExitRule(threshold=None)
    subsets = every_failure(
        trained.joint, test, rules, prior_class=trained.prior_class, weights_N=weights_N
    )
    without = np.average(test.fused_labels_N == trained.prior_class, weights=weights_N)
    return Found(trained, subsets, 100 * float(without))


def measure(study: Study, setting: str, seed: int) -> Rows:
    """A row for each subset, for each number of lost devices and for each survival."""
    preset, _, text = setting.partition(SURVIVAL)
    run, subsets, without = found(study, preset, seed)
    after = {
        f"survival {one}": {
            OVERALL: expected(subsets, as_list(one, study.cameras), without=without)
        }
        for one in ([text] if text else SURVIVALS)
    }
    if text:
        return after
    rows = subset_rows(subsets)
    rows[ALL] |= at_rules(evaluate(run, study.data.part("test")), study.test_objects_N)
    return rows | after


def subset_rows(subsets: Sequence[SubsetAccuracy]) -> dict[str, dict[str, float]]:
    """All subsets, then the mean and the worst of each size."""
    rows = {
        "lost " + ("+".join(subset.lost) or "none"): {
            name: 100 * accuracy for name, accuracy in subset.accuracy.items()
        }
        for subset in subsets
    }
    for count, losses in by_count(list(subsets)).items():
        rows[f"{count} lost"] = {name: 100 * loss.mean for name, loss in losses.items()}
        rows[f"{count} lost"]["overall_worst"] = 100 * losses[OVERALL].worst
    return rows


def expected(
    subsets: Sequence[SubsetAccuracy], survival_V: Sequence[float], *, without: float
) -> float:
    """Expected overall accuracy in per cent, devices failing independently.

    survival_V: probability that each device is there, in the order of the views. without: per
    cent right when none is.
    """
    devices = [name for subset in subsets if len(subset.lost) == 1 for name in subset.lost]
    total = without * math.prod(1 - p for p in survival_V)
    for subset in subsets:
        chances = (
            1 - p if name in subset.lost else p for name, p in zip(devices, survival_V, strict=True)
        )
        total += math.prod(chances) * 100 * subset.accuracy[OVERALL]
    return total


def as_list(text: str, devices: int) -> list[float]:
    """`.9` or `.9,.8,…`: a probability a device. Raises ConfigError for anything else."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, devices) or not all(0 <= value <= 1 for value in values):
        raise ConfigError(f"--survival: got {text!r}, want 1 or {devices} numbers from 0 to 1")
    return values * (devices // len(values))


def draw(figure: Figure, means: Means) -> None:
    """Overall accuracy against devices lost: mean and worst subset of each preset."""
    axes = figure.subplots()
    for preset, color in zip(PRESETS, (ORANGE, BLUE), strict=True):
        rows = {row: values for row, values in means[preset].items() if row.endswith(" lost")}
        x = [int(row.split()[0]) for row in rows]
        line(axes, x, list(rows.values()), OVERALL, color=color, name=f"{preset}, mean")
        worst = [values["overall_worst"].value for values in rows.values()]
        axes.plot(x, worst, color=color, lw=1, ls=":", label=f"{preset}, worst subset")
    subsets = sum(row.startswith("lost ") for row in means["paper"])
    finish(axes, title=f"Overall, all {subsets} subsets of lost devices", xlabel="devices lost")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--survival", action="append", default=[], metavar="P[,P…]")


EXPERIMENT = Experiment(
    name="failures",
    about=__doc__ or "",
    settings=lambda study: [
        *PRESETS,
        *(f"{preset}{SURVIVAL}{text}" for text in study.options.survival for preset in PRESETS),
    ],
    measure=measure,
    draw=draw,
    published={},
    seeds=5,
    options=options,
)

if __name__ == "__main__":
    main(EXPERIMENT)
