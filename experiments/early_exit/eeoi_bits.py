"""Features of the early-exit ResNet-20 at fewer bits: bytes a sample beside accuracy.

    python experiments/early_exit/eeoi_bits.py --run RUN

Both links carry k bits a value, or the device's fewer than the edge's. Each network starts from
the one of 32 bits and is trained on for a few epochs at a low rate (LENGTH), all tiers, the
same for all; so is one of 32 bits.
Thresholds, one an exit: the fewest bytes for at most half a point less than all samples offloaded
at 32 bits, on validation data. Accuracies are of all test samples; bytes are those that real
processes sent for evenly spaced ones, over all of these: who exits early sends none. `coded`:
features entropy-coded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.bundle.write import write_bundle
from ddnn.data.multiview import MultiView
from ddnn.model.joint import Joint
from ddnn.report.plots import BLUE, GRAY, ORANGE
from ddnn.report.verdicts import Verdicts
from ddnn.topology import Topology
from ddnn.training.epoch import accuracies
from ddnn.training.evaluate import Evaluation, evaluate
from ddnn.training.payload import fit_tables
from ddnn.training.predict import predict
from ddnn.training.run import BUNDLE, Run
from experiments.early_exit.recipe import (
    HALF_POINT,
    RECIPE,
    cheapest,
    experiment,
    link_bytes,
    thresholds,
    trained,
)
from experiments.shared.launches import Rules, counted, equal, launched, samples_to_launch
from experiments.shared.measures import exit_rows, summed, with_rules
from experiments.shared.study import Means, Rows, Study, main

WHOLE, TRAINED_ON = "32", "32, trained on"
BITS = (WHOLE, TRAINED_ON, "8", "4", "2 and 4", "2", "1")
"""A value, on both links or on the device's and the edge's."""
MAX_CODED_BITS = 4
LENGTH = {"epochs": 2, "learning_rate": 0.02}
"""Of the fine tuning, whatever --set makes the training's."""
RAW_BYTES = 3072
ALL, PER_EXIT, CODED = "all offloaded", "per exit", "per exit, coded"


def bits_of(setting: str) -> tuple[int, int]:
    """On the device's link and on the edge's."""
    both = [int(bits) for bits in setting.partition(",")[0].split(" and ")]
    return both[0], both[-1]


def with_bits(topology: Topology, bits: Sequence[int], features: str = "raw-bits") -> Topology:
    """The same with so many bits a value on each link, the lowest first."""
    document = topology.model_dump(mode="json")
    for tier, its_bits in zip(document["tiers"], bits, strict=False):  # none leaves the last
        tier["section"]["feature_bits"] = its_bits
        tier["features"] = features
    return Topology.model_validate(document)


def fine_tuned(study: Study, whole: Run, bits: Sequence[int], seed: int) -> Run:
    """The network of 32 bits trained on with so many."""
    changes = {name: x for name, x in study.changes.items() if name not in LENGTH}
    own = study if study.is_smoke else replace(study, changes=changes)
    return own.train(
        with_bits(whole.topology, bits),
        seed=seed,
        start_from=str(whole.folder),
        **(RECIPE | LENGTH),
    )


def coded(study: Study, run: Run, bits: Sequence[int], folder: Path) -> Run:
    """The same network with its features entropy-coded, its bundle in `folder`."""
    topology = with_bits(run.topology, bits, "entropy-coded")
    joint = Joint(topology)
    joint.load_state_dict(run.joint.state_dict(), strict=False)
    fit_tables(joint.eval(), study.data.part("train"))
    write_bundle(folder / BUNDLE, joint, exits=run.rules, prior_class=run.prior_class)
    config = run.config.model_copy(update={"topology": topology})
    return replace(run, folder=folder, config=config, joint=joint)


def measure(study: Study, setting: str, seed: int) -> Rows:
    """All samples offloaded, and a threshold an exit with raw bits and coded."""
    bits, whole = bits_of(setting), trained(study, seed)
    run = whole if setting == WHOLE else fine_tuned(study, whole, bits, seed)
    return rows_of(study, run, bits, whole=whole)


def rows_of(study: Study, run: Run, bits: Sequence[int], *, whole: Run) -> Rows:
    """Of a network whose links have so many bits, beside another with all samples offloaded."""
    validation, test = (study.data.part(name) for name in ("validation", "test"))
    floor = accuracies(predict(whole.joint, validation), validation)["cloud"] - HALF_POINT
    best_N = _right_in_the_cloud(evaluate(whole, test))
    sent_bytes = link_bytes(run.topology)
    logits = predict(run.joint, validation)
    rules = cheapest(logits, run.rules, validation, sent_bytes=sent_bytes, floor=floor)
    evaluation = evaluate(run, test)
    right_N = _right_in_the_cloud(evaluation)
    everything = exit_rows(evaluation)["exit cloud"] | lost(best_N, right_N)
    verdicts = with_rules(evaluation, rules).verdicts
    early = summed(verdicts) | thresholds(rules) | lost(best_N, verdicts.correct_N)
    samples = samples_to_launch(study)
    wanted = with_rules(evaluate(run, samples), rules).verdicts
    found: dict[str, dict[str, float]] = {
        ALL: everything | {"payload_bytes": sum(sent_bytes)},
        PER_EXIT: early | sent(run, rules, samples, wanted),
    }
    if max(bits) <= MAX_CODED_BITS:
        with TemporaryDirectory() as temporary:
            same = coded(study, run, bits, Path(temporary))
            found[CODED] = early | sent(same, rules, samples, wanted)
    return found


def lost(best_N: NDArray[np.bool_], right_N: NDArray[np.bool_]) -> dict[str, float]:
    """Points of accuracy between two answers to the same samples, and half the width of their
    95 % interval: much less than between two sets of samples."""
    difference_N = 100.0 * (best_N.astype(np.float64) - right_N)
    error = 1.96 * float(difference_N.std()) / math.sqrt(len(difference_N))
    return {"loss_points": float(difference_N.mean()), "loss_points_error": error}


def _right_in_the_cloud(evaluation: Evaluation) -> NDArray[np.bool_]:
    return np.asarray(evaluation.classes_at_exits["cloud"] == evaluation.samples.fused_labels_N)


def sent(run: Run, rules: Rules, samples: MultiView, wanted: Verdicts) -> dict[str, float]:
    """What processes sent, and whether they answered as offline."""
    outcome = launched(run, rules, samples)
    return counted(outcome, run.topology) | equal(outcome.verdicts, wanted)


def draw(figure: Figure, means: Means) -> None:
    """Accuracy against payload, a point a number of bits and rule."""
    axes = figure.subplots()
    for name, color in ((ALL, GRAY), (PER_EXIT, BLUE), (CODED, ORANGE)):
        rows = {bits: rows[name] for bits, rows in means.items() if name in rows}
        sizes = [row["payload_bytes"].value for row in rows.values()]
        axes.plot(sizes, [r["accuracy"].value for r in rows.values()], "o", color=color, label=name)
        for bits, row in rows.items():
            place = (row["payload_bytes"].value, row["accuracy"].value)
            axes.annotate(f" {bits}", place, color=color, fontsize=8)
    axes.axvline(RAW_BYTES, color=GRAY, lw=1, ls=":", label=f"raw image, {RAW_BYTES} B")
    axes.set(xscale="log", xlabel="payload bytes a sample, both links", ylabel="% right")
    axes.set_title("Bits a feature value (numbers at the points)")
    axes.legend(frameon=False, loc="lower right")


EXPERIMENT = experiment(
    name="eeoi-bits",
    about=__doc__ or "",
    settings=lambda study: [WHOLE, "1"] if study.is_smoke else BITS,
    measure=measure,
    draw=draw,
    published={(WHOLE, ALL): {"accuracy": 79.26, "payload_bytes": 65536 + 32768}},
)

if __name__ == "__main__":
    main(EXPERIMENT)
