"""The early-exit ResNet-20 (EEoI): accuracy per exit, and accuracy, time and bytes against T.

    python experiments/early_exit/eeoi.py                 # trains first: hours on two cores
    python experiments/early_exit/eeoi.py --run RUN       # of a finished training

T is compared with normalized entropies after temperature scaling; temperatures, and the
thresholds of `per exit` (the fewest bytes for at most half a point of accuracy), come from
validation data. Times are those of real processes over ZeroMQ, one sample at a time but for the
last row.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddnn.bundle.manifest import ExitRule
from ddnn.report.plots import BLUE, GRAY, ORANGE
from ddnn.training.calibrate import rules_for
from ddnn.training.epoch import accuracies
from ddnn.training.evaluate import evaluate
from ddnn.training.predict import predict
from ddnn.training.run import Run
from experiments.early_exit.recipe import (
    HALF_POINT,
    cheapest,
    experiment,
    link_bytes,
    thresholds,
    trained,
)
from experiments.shared.launches import counted, equal, launched, samples_to_launch, timed
from experiments.shared.measures import exit_rows, summed, with_rules
from experiments.shared.study import Means, Rows, Study, main

THRESHOLDS = ("0", "0.05", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1")
WINDOW = 64
PER_EXIT, PIPELINED = "per exit", f"per exit, {WINDOW} in flight"
OFFLINE, LAUNCHED = "all test samples", "launched"
CURVE = (
    (0, 79.26, 6.14, 10000), (5e-5, 70.14, 3.44, 3428), (1e-4, 69.61, 3.34, 3242),
    (5e-4, 68.21, 2.89, 2823), (1e-3, 67.56, 2.92, 2625), (0.05, 63.32, 2.60, 1431),
    (0.1, 62.72, 2.31, 1213), (0.15, 62.12, 2.20, 1066), (0.2, 61.76, 2.11, 943),
    (0.3, 61.07, 2.09, 769), (0.4, 60.43, 1.99, 617), (0.5, 60.04, 1.96, 473),
    (0.6, 59.50, 1.76, 338), (0.7, 58.71, 1.65, 83), (0.8, 58.58, 1.63, 45),
    (0.9, 58.50, 1.59, 29), (1.0, 58.42, 1.55, 14),
)  # fmt: skip
"""Published: T on entropies in nats without a temperature, accuracy in per cent, mean
milliseconds, samples of 10,000 that leave the device."""


def rules_of(study: Study, run: Run) -> dict[str, dict[str, ExitRule]]:
    """By row: one threshold for all exits, and one for each."""
    validation = study.data.part("validation")
    temperatures = {name: rule.temperature for name, rule in run.rules.items()}
    logits = predict(run.joint, validation)
    rows = {f"T {t}": rules_for(run.rules, temperatures, float(t)) for t in THRESHOLDS}
    floor = accuracies(logits, validation)["cloud"] - HALF_POINT
    sent_bytes = link_bytes(run.topology)
    chosen = cheapest(logits, run.rules, validation, sent_bytes=sent_bytes, floor=floor)
    return rows | {PER_EXIT: chosen}


def offline(study: Study, run: Run) -> Rows:
    """Each exit alone and every rule, on all test samples."""
    evaluation = evaluate(run, study.data.part("test"))
    rows = exit_rows(evaluation)
    for name, rules in rules_of(study, run).items():
        rows[name] = summed(with_rules(evaluation, rules).verdicts) | thresholds(rules)
    return rows


def as_processes(study: Study, run: Run) -> Rows:
    """Every rule on fewer test samples, by processes, held against the offline verdicts."""
    samples = samples_to_launch(study)
    evaluation = evaluate(run, samples)
    wanted = rules_of(study, run)
    if study.is_smoke:
        wanted = {name: wanted[name] for name in ("T 0", "T 1", PER_EXIT)}
    wanted[PIPELINED] = wanted[PER_EXIT]
    rows = {}
    for name, rules in wanted.items():
        outcome = launched(run, rules, samples, window=WINDOW if name == PIPELINED else 1)
        speed = timed(outcome)
        if name == PIPELINED:
            speed = {"samples_per_s": outcome.report["throughput_samples_per_s"]}
        rows[name] = (
            summed(outcome.verdicts)
            | speed
            | counted(outcome, run.topology)
            | equal(outcome.verdicts, with_rules(evaluation, rules).verdicts)
        )
        print(f"launched, {name}: {speed}", flush=True)
    return rows


def measure(study: Study, setting: str, seed: int) -> Rows:
    """All rows of one setting."""
    return {OFFLINE: offline, LAUNCHED: as_processes}[setting](study, trained(study, seed))


def draw(figure: Figure, means: Means) -> None:
    """Accuracy and time against the share of samples that leave the device."""
    left, right = figure.subplots(1, 2)
    figure.suptitle("ResNet-20 with exits at device, edge and cloud")
    _against_share(left, means, OFFLINE, "accuracy", [row[1] for row in CURVE])
    left.set(ylabel="% right", ylim=(50, 100))
    _against_share(right, means, LAUNCHED, "mean_ms", [row[2] for row in CURVE])
    right.set(ylabel="ms a sample, mean", ylim=(0, None))
    left.legend(frameon=False, loc="lower right")


def _against_share(
    axes: Axes, means: Means, setting: str, measure: str, published: list[float]
) -> None:
    """A measure against the share of samples that leave the device."""
    rows = {name: row for name, row in means[setting].items() if {"local_share", measure} <= {*row}}
    left = {name: 100 - row["local_share"].value for name, row in rows.items()}
    curve = [name for name in rows if name.startswith("T ")]
    axes.plot(
        [left[name] for name in curve], [rows[name][measure].value for name in curve],
        color=BLUE, marker="o", ms=4, label="here, one T for all exits",
    )  # fmt: skip
    axes.plot(left[PER_EXIT], rows[PER_EXIT][measure].value, "D", color=ORANGE, label=PER_EXIT)
    axes.plot([row[3] / 100 for row in CURVE], published, "x--", color=GRAY, label="published")
    axes.set(xlabel="% of samples that leave the device")


EXPERIMENT = experiment(
    name="eeoi",
    about=__doc__ or "",
    settings=lambda _: [OFFLINE, LAUNCHED],
    measure=measure,
    draw=draw,
    published={
        (OFFLINE, "exit local"): {"accuracy": 56.8},
        (OFFLINE, "exit edge"): {"accuracy": 71.48},
        (OFFLINE, "exit cloud"): {"accuracy": 84.38},
        (OFFLINE, "T 0"): {"accuracy": 79.26},
        (OFFLINE, "T 1"): {"accuracy": 58.42},
        (LAUNCHED, "T 0"): {"mean_ms": 6.14, "device_bytes": 65536, "edge_bytes": 32768},
        (LAUNCHED, "T 1"): {"mean_ms": 1.55},
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
