"""What an epoch of a training came to, on samples that it did not learn from.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ddnn.data.multiview import MultiView
from ddnn.errors import DataError
from ddnn.model.joint import Joint
from ddnn.training.batches import drop_devices
from ddnn.training.checkpoint import History
from ddnn.training.predict import Logits, classes_at, fuse, perceive

TREND_STEP = 0.2
"""Share of the newest epoch in the running mean that `keep: best` compares."""


class Judged(NamedTuple):
    """What an epoch's network makes of the validation samples; see Epoch."""

    accuracy: dict[str, float]
    validation_loss: float | None
    trend: float | None
    is_best: bool


NOT_JUDGED = Judged({}, None, None, is_best=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One line of history.jsonl.

    accuracy: of each exit on the validation samples, all devices present; empty, and the losses
        None, for an epoch after which the settings want no validation.
    validation_loss: mean cross entropy over the exits, with all devices and with random ones
        lost. `keep: best` compares its `trend`, a running mean: on few samples accuracy is soon
        1, and the loss of one epoch may be low by luck.
    """

    epoch: int
    seconds: float
    loss: float
    learning_rate: float
    accuracy: dict[str, float]
    validation_loss: float | None
    trend: float | None
    is_best: bool


OnEpoch = Callable[[Epoch], None]


def accuracies(
    logits: Logits,
    samples: MultiView,
    present_NV: NDArray[np.bool_] | None = None,
    prior_class: int = 0,
    *,
    weights_N: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    """Of each exit, answering every sample. All devices are present by default.

    weights_N: how much each sample counts; None: all alike.
    """
    if present_NV is None:
        present_NV = np.ones(samples.labels_NV.shape, dtype=bool)
    found = classes_at(logits, present_NV, prior_class)
    labels_N = samples.fused_labels_N
    return {
        name: float(np.average(k_N == labels_N, weights=weights_N)) for name, k_N in found.items()
    }


def judge(joint: Joint, samples: MultiView, history: History) -> Judged:
    """Validates after an epoch. The devices lost are the same each time.

    Leaves torch's random numbers as they were: a training that is judged seldom has the same
    weights.
    """
    devices = perceive(joint, samples)
    whole = np.ones(samples.labels_NV.shape, dtype=bool)
    generator = torch.random.get_rng_state()
    torch.manual_seed(0)
    lost = drop_devices(torch.from_numpy(whole), 0.3).numpy()
    torch.random.set_rng_state(generator)
    found = fuse(joint, devices, whole)
    both = list(found.values())
    if not lost.all():
        both += fuse(joint, devices, lost).values()
    labels = torch.from_numpy(samples.fused_labels_N)
    loss = float(
        np.mean([F.cross_entropy(torch.from_numpy(logits_NK), labels).item() for logits_NK in both])
    )
    trends = [line["trend"] for line in history if line["trend"] is not None]
    trend = trends[-1] + (loss - trends[-1]) * TREND_STEP if trends else loss
    return Judged(
        accuracy=accuracies(found, samples),
        validation_loss=loss,
        trend=trend,
        is_best=all(trend <= before for before in trends),
    )


def check_finite(epoch: Epoch) -> None:
    """Raises DataError: weights that are no numbers are neither kept nor gone on with."""
    losses, told = [epoch.loss], f"the loss is {epoch.loss:g}"
    if epoch.validation_loss is not None:
        losses.append(epoch.validation_loss)
        told += f", in validation {epoch.validation_loss:g}"
    if not all(map(math.isfinite, losses)):
        raise DataError(
            f"training: epoch {epoch.epoch}: {told}, want finite ones; a lower learning rate may "
            "help"
        )
