"""What early exits cost on new samples when thresholds are chosen on few: by resampling.

    python experiments/paper/calibration.py --data digits --seeds 3

Of the preset `robust` as it ships. Samples that the network was not trained on (validation and test
parts) are divided at random, so many to choose on, the rest to try on; whole objects where they are
known. Rows: the rule as it was before (`former`: one threshold, within half a point of the best
over all devices there and each one lost), and ddnn's own (`careful`). `gain_points` is what the
rule gains on the last exit alone with all devices there, `lost_points` with one lost, `half_points`
with half of them lost, means over draws; `early` shares are of the samples tried on.
N samples.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.report.plots import BLUE, GRAY, INK
from ddnn.training.calibrate import (
    Goal,
    calibrate_patterns,
    choose,
    curve,
    rules_for,
)
from ddnn.training.patterns import Patterns, loss_patterns, lost_patterns
from ddnn.training.payload import DevicePayload
from ddnn.training.predict import classes_at
from ddnn.training.run import Run
from ddnn.training.temperature import temperature
from experiments.defaults.defaults import SETTINGS, network
from experiments.paper.headline import SHIPS
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

Rules = Mapping[str, ExitRule]
COUNTS = ("100", "150")
SMOKE_COUNTS = ("10",)
DRAWS = 40
FORMER, CAREFUL = "former", "careful"
SETS = (
    "rendered", "rendered-ten", "digits", "mnist-tiles", "cifar10-tiles", "epfl-by-object", "watch",
)  # fmt: skip
"""Cards with rows of record."""


def measure(study: Study, count: str, seed: int) -> Rows:
    """Means over draws, a row a rule."""
    run = trained(study, seed)
    kept = np.sort(np.concatenate([study.data.split.validation, study.data.split.test]))
    found = by_loss(run, study.data.samples.take(kept))
    objects_N = None if study.data.objects_N is None else study.data.objects_N[kept]
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, float]]] = {}
    for _ in range(2 if study.is_smoke else DRAWS):
        chosen_N = drawn(rng, len(kept), int(count), objects_N)
        tried = [part(each, ~chosen_N) for each in found]
        for name, rules in rules_by_name([part(each, chosen_N) for each in found]).items():
            rows.setdefault(name, []).append(gains(tried, rules))
    return {
        name: {measure: float(np.mean([row[measure] for row in each])) for measure in each[0]}
        for name, each in rows.items()
    }


def trained(study: Study, seed: int) -> Run:
    """The preset as it ships, on the paper's network or the one for sensors."""
    is_worn = study.data.view_names == ("accelerometer", "gyroscope")
    topology = network(study.data, SETTINGS["views as they are"]) if is_worn else None
    return study.train(topology or cameras(study.data), seed=seed, preset="robust", **SHIPS)


def by_loss(run: Run, samples: MultiView) -> list[Patterns]:
    """All devices and each one lost; then with 1, 2 and so on lost, until half of them are."""
    most = max(1, run.topology.views // 2)
    lost = lost_patterns(run.joint, samples, prior_class=run.prior_class)[:most]
    return [loss_patterns(run.joint, samples, prior_class=run.prior_class), *lost]


def drawn(
    rng: np.random.Generator, samples: int, count: int, objects_N: NDArray[np.int64] | None
) -> NDArray[np.bool_]:
    """(N,): at least `count` of the samples, whole objects."""
    things_N = np.arange(samples) if objects_N is None else objects_N
    chosen_N = np.zeros(samples, dtype=bool)
    for thing in rng.permutation(np.unique(things_N)):
        if chosen_N.sum() >= count:
            break
        chosen_N |= things_N == thing
    return chosen_N


def part(found: Patterns, chosen_N: NDArray[np.bool_]) -> Patterns:
    """All patterns of some samples."""
    rows = np.flatnonzero(np.tile(chosen_N, len(found.samples) // found.whole))
    payload = DevicePayload(*(part_N[chosen_N] for part_N in found.payload))
    return found._replace(
        logits={name: x_NK[rows] for name, x_NK in found.logits.items()},
        samples=found.samples.take(rows),
        present_NV=found.present_NV[rows],
        whole=int(chosen_N.sum()),
        payload=payload,
    )


def rules_by_name(chosen: list[Patterns]) -> dict[str, Rules]:
    """What each way of choosing gives on these samples, see `by_loss`."""
    first, *lost = chosen
    labels_N = first.samples.fused_labels_N
    temperatures = {name: temperature(x, labels_N) for name, x in first.logits.items()}
    former = choose(curve(first, temperatures), Goal()).threshold
    return {
        FORMER: rules_for(first.logits, temperatures, former),
        CAREFUL: calibrate_patterns(first, Goal(), lost=lost).rules,
    }


def gains(tried: list[Patterns], rules: Rules) -> dict[str, float]:
    """On new samples, per cent and points. tried: see `by_loss`."""
    first, one, half = tried[0], tried[1], tried[-1]
    whole = first.rows(slice(0, first.whole))
    early_N = left_early(whole, rules)
    return {
        "gain_points": gain(whole, rules),
        "lost_points": gain(one, rules),
        "half_points": gain(half, rules),
        "early": 100 * float(early_N.mean()),
        "early_lost": 100 * float(left_early(one, rules).mean()),
        "payload_bytes": first.payload.mean(early_N),
    }


def gain(tried: Patterns, rules: Rules) -> float:
    """Points over the last exit alone."""
    at_exits = classes_at(tried.logits, tried.present_NV, tried.prior_class)
    last_N = at_exits[list(tried.logits)[-1]] == tried.samples.fused_labels_N
    return 100 * float((tried.answer(rules).correct_N.astype(float) - last_N).mean())


def left_early(tried: Patterns, rules: Rules) -> NDArray[np.bool_]:
    """(N,) of each pattern's samples, whether an exit before the last answers."""
    exit_N = tried.answer(rules).exit_N
    return np.asarray((exit_N >= 0) & (exit_N < len(tried.logits) - 1))


def draw(figure: Figure, means: Means) -> None:
    """Gain on the last exit, a group a number of samples and of lost devices."""
    axes = figure.subplots()
    shown = {"gain_points": "all there", "lost_points": "one lost", "half_points": "half lost"}
    groups = [(count, measure) for count in means for measure in shown]
    for place, (name, color) in enumerate(((FORMER, GRAY), (CAREFUL, BLUE))):
        values = [means[count][name][measure].value for count, measure in groups]
        axes.bar(np.arange(len(groups)) + 0.4 * place, values, 0.4, color=color, label=name)
    axes.axhline(-0.5, color=INK, lw=1, ls=":")
    labels = [f"{count} samples,\n{shown[measure]}" for count, measure in groups]
    axes.set_xticks(np.arange(len(groups)) + 0.2, labels, fontsize=7)
    axes.set(ylabel="points over the last exit", title="Early exits on new samples")
    axes.legend(frameon=False)


EXPERIMENT = Experiment(
    name="calibration",
    about=__doc__ or "",
    settings=lambda study: SMOKE_COUNTS if study.is_smoke else COUNTS,
    measure=measure,
    draw=draw,
    published={},
    preset="robust",
)

if __name__ == "__main__":
    main(EXPERIMENT)
