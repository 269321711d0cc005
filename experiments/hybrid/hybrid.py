"""The hybrid quantised edge (ResNet-32): accuracy, edge share, energy and bytes beside the paper.

    python experiments/hybrid/hybrid.py                    # trains first: 100 minutes
    python experiments/hybrid/hybrid.py --run RUN          # of a finished training
    python experiments/hybrid/hybrid.py --data cifar100    # the 4-bit network, downloads the set

Rows: every sample at each exit; a threshold for the published edge share; one for at most half a
point less than the cloud alone; and the latter launched as processes over ZeroMQ. Thresholds and
temperatures come from validation data. `--way` adds trainings in two steps: `edge first` trains
the edge and its exit, then the cloud on frozen features; `trunk first` trains all but the edge's
exit, then that alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.model.energy import DEFAULT, Constants, comparisons, energy_of, read_constants
from ddnn.report.plots import BLUE, GRAY, GREEN, INK, ORANGE
from ddnn.report.verdicts import Verdicts
from ddnn.topology import Bits, Topology, read_topology
from ddnn.training.calibrate import Goal, calibrate_patterns
from ddnn.training.evaluate import Evaluation, evaluate
from ddnn.training.patterns import loss_patterns
from ddnn.training.run import Run, open_run
from experiments.early_exit.recipe import CARD, HALF_POINT, PRESET, SMOKE_CARD
from experiments.shared.launches import (
    OPTIONS,
    add_options,
    counted,
    equal,
    launched,
    samples_to_launch,
)
from experiments.shared.measures import exit_rows, share, summed, with_rules
from experiments.shared.study import Experiment, Means, Rows, Study, main

SHIPPED = "hybrid-resnet32-n17-k1"

"""Of energy, those of the published account."""
RESIDUALS = {10: 5, 17: 8, 21: 10, 26: 12}
"""Residual blocks on the edge, by N, the convolutions of few bits (1x1 shortcuts counted)."""
EXIT_WEIGHTS = {"local": 0.6, "cloud": 0.4}
RECIPE: dict[str, Any] = {
    "epochs": 60,
    "precision": "bfloat16",
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
}
"""The authors' rate, decay and batch; 60 of their 150 epochs, in one cycle of the rate."""
JOINT, EDGE_FIRST, TRUNK_FIRST = "joint", "edge first", "trunk first"
ACCURACY, LAUNCHED = "half a point", "launched"

COMPARISONS, COLORS = ("edge", "compute", "sent", "kept"), (GRAY, ORANGE, BLUE, GREEN)


class Point(NamedTuple):
    """A published point. edge_share: per cent; compute_times: the reduction of all energy."""

    convolutions: int
    bits: Bits
    edge_share: float
    compute_times: float

    @property
    def row(self) -> str:
        """Of the threshold that is chosen for the published edge share."""
        return f"edge share {self.edge_share:g}"


POINTS = {10: Point(17, 1, 65, 5.5), 100: Point(26, 4, 52, 4.8)}
"""By number of classes: CIFAR-10 and CIFAR-100. Where the latter's exit stood is not known."""


def hybrid(convolutions: int, bits: Bits, classes: tuple[str, ...]) -> Topology:
    """The shipped network with its first N convolutions at k bits on the edge; 32: unquantised."""
    document = read_topology(SHIPPED).model_dump(mode="json")
    edge, cloud = (tier["section"] for tier in document["tiers"])
    blocks, cut = edge["blocks"] + cloud["blocks"], 1 + RESIDUALS[convolutions]
    edge |= dict.fromkeys(("weight_bits", "activation_bits", "feature_bits"), bits)
    edge["blocks"], cloud["blocks"] = blocks[:cut], blocks[cut:]
    name = f"hybrid-resnet32-n{convolutions}-k{bits}"
    return Topology.model_validate(document | {"name": name, "classes": classes})


def point(study: Study) -> Point:
    """The published point for as many classes as the data has."""
    classes = len(study.data.samples.classes)
    if classes not in POINTS:
        raise ConfigError(f"--data {study.card}: {classes} classes, want 10 or 100 as published")
    return POINTS[classes]


def train(study: Study, topology: Topology, way: str, seed: int) -> Run:
    """Jointly, or in two steps of as many epochs each."""
    one_exit = {EDGE_FIRST: {"cloud": 0.0}, TRUNK_FIRST: {"local": 0.0}}
    weights = one_exit.get(way, EXIT_WEIGHTS)
    first = study.train(topology, seed=seed, exit_weights=weights, **RECIPE)
    if way == JOINT:
        return first
    frozen, other = {
        EDGE_FIRST: ("device", {"local": 0.0}),
        TRUNK_FIRST: ("device.trunk", {"cloud": 0.0}),
    }[way]
    return study.train(
        topology,
        seed=seed,
        exit_weights=other,
        start_from=str(first.folder),
        freeze=(frozen,),
        **RECIPE,
    )


def spent(topology: Topology, constants: Constants, verdicts: Verdicts) -> dict[str, float]:
    """Energy a sample, and how many times less it is than a plain network's, by comparison."""
    shares = {
        name: float((verdicts.exit_N == number).mean())
        for number, name in enumerate(verdicts.exits)
    }
    found = comparisons(topology, constants, shares)
    tiers = [energy_of(topology, tier.name, constants, shares) for tier in topology.tiers]
    return {
        **{f"{name}_times": one.reduction for name, one in found.items()},
        "compute_uj": found["compute"].ours_uj,
        "memory_uj": sum(tier.memory_pj for tier in tiers) / 1e6,
        "radio_uj": sum(tier.radio_pj for tier in tiers) / 1e6,
    }


def rules_of(run: Run, validation: MultiView, wanted: Point) -> dict[str, dict[str, ExitRule]]:
    """By row, chosen on validation data."""
    patterns = loss_patterns(run.joint, validation, prior_class=run.prior_class)
    cloud_N = patterns.logits["cloud"].argmax(axis=1) == validation.fused_labels_N
    goals = {
        wanted.row: Goal(early_share=wanted.edge_share / 100),
        ACCURACY: Goal(accuracy=float(cloud_N.mean()) - HALF_POINT),
    }
    return {name: calibrate_patterns(patterns, goal).rules for name, goal in goals.items()}


def answered(evaluation: Evaluation, constants: Constants) -> dict[str, float]:
    """Accuracy overall and of each exit's own answers, shares, energy and bytes."""
    verdicts = evaluation.verdicts
    found = summed(verdicts)
    for number, name in enumerate(verdicts.exits):
        here_N = verdicts.exit_N == number
        if here_N.any():
            right = int(verdicts.correct_N[here_N].sum())
            found |= share(right, int(here_N.sum()), f"{name}_answers")
    threshold = evaluation.rules["local"].threshold
    return (
        found
        | spent(evaluation.topology, constants, verdicts)
        | {"payload_bytes": evaluation.payload_bytes, "local_threshold": threshold or 0.0}
    )


def measure(study: Study, way: str, seed: int) -> Rows:
    """All rows of one trained network."""
    constants = read_constants(study.options.energy)
    run = trained(study, way, seed)
    rules = rules_of(run, study.data.part("validation"), point(study))
    evaluation = evaluate(run, study.data.part("test"))
    return (
        exit_rows(evaluation)
        | {n: answered(with_rules(evaluation, chosen), constants) for n, chosen in rules.items()}
        | {LAUNCHED: as_processes(study, run, rules[ACCURACY])}
    )


def as_processes(study: Study, run: Run, rules: dict[str, ExitRule]) -> dict[str, float]:
    """Fewer test samples by processes, held against the offline verdicts.

    message_bytes: payload of a sample's features, where they travel.
    """
    samples = samples_to_launch(study)
    outcome = launched(run, rules, samples)
    offline = with_rules(evaluate(run, samples), rules).verdicts
    sent = counted(outcome, run.topology)
    found = summed(outcome.verdicts) | {x: sent[x] for x in ("payload_bytes", "zmtp_bytes")}
    found["message_bytes"] = sent["payload_bytes"] / max(found["cloud_share"] / 100, 1e-9)
    return found | equal(outcome.verdicts, offline)


def trained(study: Study, way: str, seed: int) -> Run:
    """The run of --run, or a trained one."""
    if study.options.run is None:
        chosen = point(study)
        topology = hybrid(chosen.convolutions, chosen.bits, study.data.samples.classes)
        return train(study, topology, way, seed)
    run = study.uses(open_run(study.options.run))
    if (run.config.seed, way) != (seed, JOINT):
        raise ConfigError(f"--run {run.folder}: joint of seed {run.config.seed}, want --seeds 1")
    return run


def draw(figure: Figure, means: Means) -> None:
    """Accuracy and energy of each way of training."""
    left, right = figure.subplots(1, 2)
    (row,) = {row for rows in means.values() for row in rows if row.startswith("edge share")}
    at = np.arange(len(means))
    for number, (name, color) in enumerate(
        zip(("exit local", "exit cloud", row), COLORS, strict=False)
    ):
        found = [rows[name]["accuracy"] for rows in means.values()]
        values, low, high = np.array([[x.value, x.low, x.high] for x in found], dtype=float).T
        place = at + 0.27 * (number - 1)
        left.bar(place, values, 0.25, yerr=[values - low, high - values], color=color, label=name)
    left.set(ylabel="% of test samples right, 95 % interval", ylim=(0, 115))
    for number, (name, color) in enumerate(zip(COMPARISONS, COLORS, strict=True)):
        values = [rows[row][f"{name}_times"].value for rows in means.values()]
        right.bar(at + 0.2 * (number - 1.5), values, 0.18, color=color, label=name)
    for known in {rows[row]["compute_times"].published for rows in means.values()} - {None}:
        right.axhline(known, color=INK, lw=1, ls="--", label="compute, published")
    right.axhline(1, color=GRAY, lw=0.5)
    right.set(ylabel="times less energy than at 32 bits", yscale="log", ylim=(0.1, 200))
    for axes in (left, right):
        axes.set_xticks(at, list(means))
        axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    figure.suptitle(f"Hybrid quantised edge, {row} %")


def options(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    parser.add_argument("--way", action="append", choices=(EDGE_FIRST, TRUNK_FIRST), default=[])
    parser.add_argument("--energy", type=Path, default=DEFAULT, metavar="YAML")


EXPERIMENT = Experiment(
    name="hybrid",
    about=__doc__ or "",
    settings=lambda study: [JOINT, *study.options.way],
    measure=measure,
    draw=draw,
    published={
        (JOINT, found.row): {
            "local_share": found.edge_share,
            "compute_times": found.compute_times,
        }
        for found in POINTS.values()
    },
    preset=PRESET,
    seeds=1,
    card=CARD,
    smoke_card=SMOKE_CARD,
    options=options,
    follow_from=(*OPTIONS, "energy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
