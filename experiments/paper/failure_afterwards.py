"""What can be made of a trained network once devices are lost, without training it again.

`norms_by_number`: batch norms above the devices have the statistics of training samples of which so
many devices are lost, another set for each number, like the thresholds. `prior_where_lost`: classes
are as common again as in training, where `robust` had weighed rare ones up: who sees less goes by
what is common. Both with thresholds for each number of lost devices, chosen on what they make.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import DataSet, MultiView
from ddnn.model.blocks import Norm1d, Norm2d
from ddnn.model.joint import Joint
from ddnn.model.sections import SectionOutput
from ddnn.training.calibrate import careful, with_lost
from ddnn.training.failures import present_without, subsets
from ddnn.training.loss import class_weights
from ddnn.training.patterns import Patterns, lost_patterns
from ddnn.training.predict import Logits, answer, fuse, perceive
from ddnn.training.run import Run

PASSES, ROWS = 4, 256
"""Over all training samples for statistics, each with other devices lost; samples a batch."""


class Part(NamedTuple):
    """What answers where one number of devices is lost. bias_K: added to all exits' logits."""

    joint: Joint
    bias_K: NDArray[np.float32]

    def changed(self, logits: Logits) -> Logits:
        return {name: logits_NK + self.bias_K for name, logits_NK in logits.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """parts: by number of lost devices. rules: chosen on what they make."""

    parts: list[Part]
    rules: Mapping[str, ExitRule]
    prior_class: int

    def right(self, samples: MultiView) -> dict[tuple[str, ...], NDArray[np.bool_]]:
        """By set of lost devices, whether each sample is answered rightly, (N,)."""
        joint = self.parts[0].joint
        devices = perceive(joint, samples)
        return {lost: self._right(devices, samples, lost) for lost in subsets(joint.topology)}

    def _right(
        self, devices: Mapping[str, SectionOutput], samples: MultiView, lost: tuple[str, ...]
    ) -> NDArray[np.bool_]:
        part = self.parts[len(lost)]
        present_NV = present_without(part.joint.topology, lost, len(samples))
        logits = part.changed(fuse(part.joint, devices, present_NV))
        return answer(
            logits,
            self.rules,
            samples=samples,
            present_NV=present_NV,
            prior_class=self.prior_class,
        ).correct_N


After = Callable[[Run, DataSet], Changed]


def as_trained(run: Run, data: DataSet) -> Changed:
    """One network."""
    return calibrated(run, data, [Part(run.joint, nothing(run))] * run.topology.views)


def norms_by_number(run: Run, data: DataSet) -> Changed:
    """Another copy for each number of lost devices."""
    train = data.part("train")
    devices = perceive(run.joint, train)
    parts = [Part(run.joint, nothing(run))] + [
        Part(estimated(run.joint, devices, len(train), lost), nothing(run))
        for lost in range(1, run.topology.views)
    ]
    return calibrated(run, data, parts)


def prior_where_lost(run: Run, data: DataSet) -> Changed:
    """Logits less the logarithm of the classes' weights: what learning without them tends to."""
    labels_N = torch.from_numpy(data.part("train").fused_labels_N)
    weights_K = class_weights(labels_N, len(run.topology.classes), run.config.settings)
    less = Part(run.joint, -np.log(weights_K.numpy()))
    return calibrated(
        run, data, [Part(run.joint, nothing(run))] + [less] * (run.topology.views - 1)
    )


def nothing(run: Run) -> NDArray[np.float32]:
    """To add."""
    return np.zeros(len(run.topology.classes), np.float32)


@torch.no_grad()
def estimated(joint: Joint, devices: Mapping[str, SectionOutput], count: int, lost: int) -> Joint:
    """A copy whose norms above the devices have the statistics of samples with so many lost.

    devices: what they make of `count` training samples.
    """
    joint = copy.deepcopy(joint)
    own = {norm for name in joint.topology.devices for norm in joint.sections[name].modules()}
    norms = [m for m in joint.modules() if isinstance(m, Norm1d | Norm2d) and m not in own]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    generator = torch.Generator().manual_seed(0)
    for _ in range(PASSES):
        place_NV = torch.rand(count, joint.topology.views, generator=generator).argsort(dim=1)
        present_NV = place_NV >= lost
        for rows in torch.arange(count).split(ROWS):
            chosen = {
                name: SectionOutput(*(None if x is None else x[rows] for x in found))
                for name, found in devices.items()
            }
            joint.fuse(chosen, present_NV[rows])
    return joint.eval()


def calibrated(run: Run, data: DataSet, parts: list[Part]) -> Changed:
    """With thresholds for each number of lost devices, chosen as the run's own are."""
    temperatures = {name: rule.temperature for name, rule in run.rules.items()}
    validation = data.part("validation")
    found = []
    for lost, part in enumerate(parts[1:]):
        every = lost_patterns(part.joint, validation, prior_class=run.prior_class)
        each: Patterns = every[lost]._replace(logits=part.changed(every[lost].logits))
        found.append(careful(each, temperatures))
    rules = with_lost(dict(run.rules), found)
    return Changed(parts=parts, rules=rules, prior_class=run.prior_class)
