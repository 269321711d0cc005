"""What the scripts of the early-exit ResNet-20 share: its training and its rules.

Axes: N samples, E exits, K classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.decision import decide, is_sure
from ddnn.errors import ConfigError
from ddnn.topology import Topology, read_topology
from ddnn.training.calibrate import between
from ddnn.training.predict import Logits
from ddnn.training.run import Run, open_run
from experiments.shared.launches import OPTIONS, Rules, add_options
from experiments.shared.script import FOLDER
from experiments.shared.study import Experiment, Study

TOPOLOGY, PRESET, CARD = "eeoi-resnet20", "images", "cifar10-jpeg"
SMOKE_CARD = FOLDER / "shared" / "smoke-images.yaml"
RECIPE: dict[str, Any] = {
    "epochs": 60,
    "precision": "bfloat16",
    "exit_weights": {"local": 0.1, "edge": 0.2},
}
"""One cycle of the learning rate. Without AVX512-BF16 or AMX, --set precision=float32 is faster."""
STEPS = 41
"""Thresholds that are tried at each exit, beside 0 and 1."""
HALF_POINT = 0.005
"""Of accuracy: what early exits may cost."""

experiment = partial(
    Experiment,
    preset=PRESET,
    seeds=1,
    card=CARD,
    smoke_card=SMOKE_CARD,
    options=add_options,
    follow_from=OPTIONS,
)
"""What the scripts of this network describe; each adds its rows and its picture."""


def trained(study: Study, seed: int) -> Run:
    """The network with features of 32 bits: the run of --run, or trained."""
    if study.options.run is None:
        return study.train(read_topology(TOPOLOGY), seed=seed, **RECIPE)
    run = study.uses(open_run(study.options.run))
    if run.config.seed != seed:
        raise ConfigError(f"--run {run.folder}: seed {run.config.seed}, want a run of seed {seed}")
    return run


def link_bytes(topology: Topology) -> list[int]:
    """Payload of one sample's features on each link upwards, not coded."""
    nodes = topology.section_nodes
    return [topology.feature_bytes(name) for name in nodes if topology.nodes[name].parent]


def cheapest(
    logits: Logits, rules: Rules, samples: MultiView, *, sent_bytes: Sequence[int], floor: float
) -> dict[str, ExitRule]:
    """A threshold for each exit: the fewest bytes at an accuracy on these samples, 0 to 1, of at
    least `floor`; everything offloaded where none gives it.

    rules: whose temperatures stay. sent_bytes: of a sample, from each early exit upwards.
    """
    found = [decide(logits[name], rules[name].temperature) for name in logits]
    right_EN = np.stack([decision.predicted_N == samples.fused_labels_N for decision in found])
    cost_E = np.cumsum([0, *sent_bytes])
    rows_N = np.arange(len(samples))
    best, cheap = (0.0,) * len(sent_bytes), float(cost_E[-1])
    grids = [[0.0, *between(decision.entropy_N, STEPS), 1.0] for decision in found[:-1]]
    for thresholds in itertools.product(*grids):
        sure = [is_sure(d.entropy_N, t) for d, t in zip(found, thresholds, strict=False)]
        exit_N = np.argmax([*sure, np.ones(len(samples), dtype=bool)], axis=0)
        cost = float(cost_E[exit_N].mean())
        if cost < cheap and right_EN[exit_N, rows_N].mean() >= floor:
            best, cheap = thresholds, cost
    changed = zip(logits, (*best, None), strict=True)
    return {name: rules[name].model_copy(update={"threshold": t}) for name, t in changed}


def thresholds(rules: Rules) -> dict[str, float]:
    """Of the early exits."""
    found = {name: rule.threshold for name, rule in rules.items()}
    return {f"{name}_threshold": t for name, t in found.items() if t is not None}
