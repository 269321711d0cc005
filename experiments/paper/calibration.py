"""What early exits cost on new samples when thresholds are chosen on few: by resampling.

    python experiments/paper/calibration.py --data digits

Samples that the network was not trained on (validation and test parts) are divided at random, so
many to choose on, the rest to try on; whole objects where they are known. Rows: the rule as it was
before (`former`: one threshold, within half a point of the best over all devices there and each
one lost), ddnn's own (`careful`), and the latter with its first threshold for losses too (`careful,
one threshold`). `gain_points` is what the rule gains on the last exit alone with all devices there,
`lost_points` with one lost, means over draws; `early` shares are of the samples tried on.
N samples, P patterns of loss.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.report.plots import BLUE, GRAY, INK
from ddnn.training.calibrate import (
    Goal,
    calibrate_patterns,
    choose,
    curve,
    rules_for,
)
from ddnn.training.patterns import Patterns, loss_patterns
from ddnn.training.payload import DevicePayload
from ddnn.training.predict import classes_at
from ddnn.training.settings import PresetName
from ddnn.training.temperature import temperature
from experiments.shared.study import Experiment, Means, Rows, Study, main
from experiments.shared.variants import cameras

Rules = Mapping[str, ExitRule]
PRESETS: tuple[PresetName, ...] = ("robust", "paper")
COUNTS = (50, 100, 150)
SMOKE_COUNTS = (10,)
DRAWS = 40
FORMER, CAREFUL, ONE = "former", "careful", "careful, one threshold"


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Means over draws, a row a rule."""
    preset, count = setting.split(", ")
    network: PresetName = "robust" if preset == "robust" else "paper"
    run = study.train(cameras(study.data), seed=seed, preset=network)
    kept = np.sort(np.concatenate([study.data.split.validation, study.data.split.test]))
    found = loss_patterns(run.joint, study.data.samples.take(kept), prior_class=run.prior_class)
    objects_N = None if study.data.objects_N is None else study.data.objects_N[kept]
    rng = np.random.default_rng(seed)
    rows: dict[str, list[dict[str, float]]] = {}
    for _ in range(DRAWS):
        chosen_N = drawn(rng, len(kept), int(count), objects_N)
        for name, rules in rules_by_name(part(found, chosen_N)).items():
            rows.setdefault(name, []).append(gains(part(found, ~chosen_N), rules))
    return {
        name: {measure: float(np.mean([row[measure] for row in each])) for measure in each[0]}
        for name, each in rows.items()
    }


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


def rules_by_name(chosen: Patterns) -> dict[str, Rules]:
    """What each way of choosing gives on these samples."""
    labels_N = chosen.samples.fused_labels_N
    temperatures = {name: temperature(x, labels_N) for name, x in chosen.logits.items()}
    lost = chosen.rows(slice(chosen.whole, None))
    former = choose(curve(chosen, temperatures), Goal()).threshold
    return {
        FORMER: rules_for(chosen.logits, temperatures, former),
        CAREFUL: calibrate_patterns(chosen, Goal(), lost=[lost]).rules,
        ONE: calibrate_patterns(chosen, Goal()).rules,
    }


def gains(tried: Patterns, rules: Rules) -> dict[str, float]:
    """On new samples, per cent and points."""
    verdicts = tried.answer(rules)
    last = list(tried.logits)[-1]
    last_N = classes_at(tried.logits, tried.present_NV, tried.prior_class)[last]
    gain_N = verdicts.correct_N.astype(float) - (last_N == tried.samples.fused_labels_N)
    early_N = (verdicts.exit_N >= 0) & (verdicts.exit_N < len(tried.logits) - 1)
    whole, lost = slice(0, tried.whole), slice(tried.whole, None)
    return {
        "gain_points": 100 * float(gain_N[whole].mean()),
        "lost_points": 100 * float(gain_N[lost].mean()),
        "early": 100 * float(early_N[whole].mean()),
        "early_lost": 100 * float(early_N[lost].mean()),
        "payload_bytes": tried.payload.mean(early_N[whole]),
    }


def draw(figure: Figure, means: Means) -> None:
    """Gain on the last exit, all devices there, a group a setting."""
    axes = figure.subplots()
    at = np.arange(len(means))
    for place, (name, color) in enumerate(((FORMER, GRAY), (CAREFUL, BLUE))):
        values = [found[name]["gain_points"].value for found in means.values()]
        axes.bar(at + 0.4 * place, values, 0.4, color=color, label=name)
    axes.axhline(-0.5, color=INK, lw=1, ls=":")
    axes.set_xticks(at + 0.2, list(means), fontsize=7)
    axes.set(ylabel="points over the last exit", title="Training, samples to choose thresholds on")
    axes.legend(frameon=False)


EXPERIMENT = Experiment(
    name="calibration",
    about=__doc__ or "",
    settings=lambda study: [
        f"{preset}, {count}"
        for preset in PRESETS
        for count in (SMOKE_COUNTS if study.is_smoke else COUNTS)
    ],
    measure=measure,
    draw=draw,
    published={},
    seeds=1,
)

if __name__ == "__main__":
    main(EXPERIMENT)
