"""Networks and bundles with random weights: the doubles of trained ones.

Axes: N samples, V views.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from builders import random_views
from numpy.typing import NDArray

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.write import write_bundle
from ddnn.data.multiview import MultiView
from ddnn.decision import decide
from ddnn.model.joint import Joint
from ddnn.report.verdicts import Verdicts
from ddnn.topology import Topology
from ddnn.training.batches import view_tensors
from ddnn.training.payload import fit_tables
from ddnn.training.predict import answer, predict, taking_part
from ddnn.training.run import Config, Run, versions
from ddnn.training.scaling import fit_scaling
from ddnn.training.settings import settings_for

torch.set_num_threads(1)
PRIOR_CLASS = 1
TEMPERATURES = (1.5, 0.7, 2.5)
"""Of the exits, lowest first: none is 1, which would be no temperature."""


class Trained(NamedTuple):
    """What a training run would leave, but with random weights."""

    joint: Joint
    bundle: Bundle
    samples: MultiView


class Trainer:
    """Gives a bundle of a topology and samples for it; the same ones for the same topology."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, int], Trained] = {}

    def __call__(self, topology: Topology, count: int) -> Trained:
        key = (topology.digest, count)
        if key not in self._known:
            samples = random_views(topology, count)
            joint = random_joint(topology, samples)
            bundle = random_bundle(self._folder / str(len(self._known)), joint, samples)
            self._known[key] = Trained(joint, bundle, samples)
        return self._known[key]


def random_joint(topology: Topology, samples: MultiView, seed: int = 0) -> Joint:
    """Random weights, batch norms fitted to the samples: scores of ordinary size."""
    torch.manual_seed(seed)
    joint = Joint(topology)
    fit_scaling(joint, samples)
    for module in joint.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        joint.train()(view_tensors(samples.views.take(slice(64)), torch.device("cpu")))
    joint.eval()
    return joint


def random_bundle(folder: Path, joint: Joint, samples: MultiView) -> Bundle:
    """A bundle whose exits, but the last, each answer about half of all samples."""
    fit_tables(joint, samples)
    rules = rules_at_medians(joint, samples)
    write_bundle(folder, joint, exits=rules, prior_class=PRIOR_CLASS)
    return load_bundle(folder)


def rules_at_medians(joint: Joint, samples: MultiView) -> dict[str, ExitRule]:
    """Every exit but the last is sure of half of these samples."""
    rules, logits = {}, predict(joint, samples)
    for (name, logits_NK), temperature in zip(logits.items(), cycle(TEMPERATURES)):
        median = round(float(np.median(decide(logits_NK, temperature).entropy_N)), 4)
        is_last = name == list(logits)[-1]
        rules[name] = ExitRule(threshold=None if is_last else median, temperature=temperature)
    return rules


def random_run(topology: Topology, samples: MultiView, folder: Path = Path()) -> Run:
    """What `open_run` gives of a training, but with random weights; nothing is in its folder."""
    joint = random_joint(topology, samples)
    return Run(
        folder=folder,
        config=Config(
            topology=topology,
            settings=settings_for("robust"),
            seed=3,
            card="none",
            data_digest="",
            versions=versions(),
        ),
        joint=joint,
        rules=rules_at_medians(joint, samples),
        prior_class=PRIOR_CLASS,
        views=samples.view_names,
        calibrated_on="validation",
        bundle_sha256="0" * 64,
    )


def offline(
    joint: Joint, bundle: Bundle, samples: MultiView, present_NV: NDArray[np.bool_] | None = None
) -> Verdicts:
    """What the torch network answers, masked by `present_NV`."""
    present_NV = taking_part(joint.topology, samples, present_NV)
    return answer(
        predict(joint, samples, present_NV),
        bundle.manifest.exits,
        samples=samples,
        present_NV=present_NV,
        prior_class=bundle.manifest.prior_class,
    )
