"""The logits of every exit for a data set, and what the exits make of them.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.decision import decide, is_sure
from ddnn.model.joint import Joint
from ddnn.model.sections import SectionOutput
from ddnn.report.verdicts import Verdicts
from ddnn.topology import Topology
from ddnn.training.batches import view_tensors
from ddnn.training.threads import threads_for

BATCH = 256
Logits = dict[str, NDArray[np.float32]]
"""By exit name, lowest first: (N, K), before temperature and softmax."""


def taking_part(
    topology: Topology, samples: MultiView, present_NV: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """The present devices, all by default, without those that say nothing of a black view."""
    if present_NV is None:
        present_NV = np.ones(samples.labels_NV.shape, dtype=bool)
    if not topology.skips_absent:
        return present_NV
    return np.asarray(present_NV & samples.views.seen_NV)


@torch.no_grad()
def perceive(joint: Joint, samples: MultiView) -> dict[str, SectionOutput]:
    """What every device makes of its view of every sample; who else is present is no matter."""
    joint.eval()
    torch_device = next(joint.parameters()).device
    with threads_for(joint):
        parts = [
            joint.perceive(view_tensors(part, torch_device)) for part in samples.views.parts(BATCH)
        ]
    return {name: _join([part[name] for part in parts]) for name in parts[0]}


@torch.no_grad()
def perceive_one(joint: Joint, name: str, views_NCHW: NDArray[np.uint8]) -> SectionOutput:
    """What one device makes of its views, as `perceive` has it."""
    joint.eval()
    torch_device = next(joint.parameters()).device
    batches = np.array_split(views_NCHW, -(-len(views_NCHW) // BATCH))
    with threads_for(joint):
        parts = [joint.sections[name](torch.from_numpy(x).to(torch_device)) for x in batches]
    return _join([SectionOutput(*part) for part in parts])


def arrived(
    features_NFHW: NDArray[np.float32] | None, scores_NK: NDArray[np.float32] | None
) -> SectionOutput:
    """What a device made of its views as others have received it: `fuse` takes it."""
    return SectionOutput(
        *(None if part is None else torch.from_numpy(part) for part in (features_NFHW, scores_NK))
    )


@torch.no_grad()
def fuse(
    joint: Joint, devices: Mapping[str, SectionOutput], present_NV: NDArray[np.bool_]
) -> Logits:
    """Logits of all exits when only the present devices deliver."""
    joint.eval()
    torch_device = next(joint.parameters()).device
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in joint.topology.exits}
    for start in range(0, len(present_NV), BATCH):
        rows = slice(start, start + BATCH)
        chosen = {
            name: SectionOutput(*(None if part is None else part[rows] for part in output))
            for name, output in devices.items()
        }
        present = torch.from_numpy(present_NV[rows]).to(torch_device)
        with threads_for(joint):
            output = joint.fuse(chosen, present)
        for name, logits_NK in output.logits.items():
            parts[name].append(logits_NK.cpu().numpy())
    return {name: np.concatenate(part) for name, part in parts.items()}


def predict(
    joint: Joint, samples: MultiView, present_NV: NDArray[np.bool_] | None = None
) -> Logits:
    """Logits of all exits; all devices are present by default."""
    if present_NV is None:
        present_NV = np.ones(samples.labels_NV.shape, dtype=bool)
    return fuse(joint, perceive(joint, samples), present_NV)


def classes_at(
    logits: Logits, present_NV: NDArray[np.bool_], prior_class: int
) -> dict[str, NDArray[np.int64]]:
    """By exit, the class it gives every sample, (N,); `prior_class` where no device is present."""
    nobody_N = ~present_NV.any(axis=1)
    return {
        name: np.where(nobody_N, prior_class, logits_NK.argmax(axis=1))
        for name, logits_NK in logits.items()
    }


def answer(
    logits: Logits,
    rules: Mapping[str, ExitRule],
    *,
    samples: MultiView,
    present_NV: NDArray[np.bool_],
    prior_class: int,
) -> Verdicts:
    """Each sample at the lowest exit that is sure of it; the last is always.

    A sample of which no device is present gets `prior_class`, from no exit.
    """
    count = len(samples)
    predicted_N = np.full(count, prior_class, dtype=np.int64)
    exit_N = np.full(count, -1, dtype=np.int64)
    entropy_N = np.ones(count, dtype=np.float32)
    open_N = present_NV.any(axis=1)
    degraded_N: NDArray[np.bool_] = np.logical_not(open_N)
    lost_N = np.asarray((~present_NV).sum(axis=1))
    for number, (name, logits_NK) in enumerate(logits.items()):
        decision = decide(logits_NK, rules[name].temperature)
        threshold = rules[name].thresholds(lost_N) if number < len(logits) - 1 else None
        here_N = open_N & is_sure(decision.entropy_N, threshold)
        predicted_N[here_N] = decision.predicted_N[here_N]
        entropy_N[here_N] = decision.entropy_N[here_N]
        exit_N[here_N] = number
        open_N &= ~here_N
    return Verdicts(
        exits=tuple(logits),
        classes=samples.classes,
        labels_N=samples.fused_labels_N,
        predicted_N=predicted_N,
        exit_N=exit_N,
        entropy_N=entropy_N,
        present_NV=present_NV,
        degraded_N=degraded_N,
    )


def _join(parts: list[SectionOutput]) -> SectionOutput:
    columns = zip(*parts, strict=True)
    return SectionOutput(*(None if x[0] is None else torch.cat(x) for x in columns))
