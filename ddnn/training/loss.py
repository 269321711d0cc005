"""What joint training makes small.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ddnn.errors import ConfigError
from ddnn.model.joint import JointOutput
from ddnn.topology import Topology
from ddnn.training.batches import Batch
from ddnn.training.settings import Settings

MAX_CLASS_WEIGHT = 4.0
"""A handful of samples of one class must not outweigh the rest."""


class JointLoss:
    """Sum of the cross entropies of every exit and of every device's own exit.

    An exit learns the sample's label, a device the label of its own view; where the object is
    absent from the view the device learns nothing. Source: paper III-C and the authors' code;
    there is no factor 1/|C|, as in the code, and class weights are ours.
    last_exit: the highest with a weight; what lies above need not be computed.
    """

    def __init__(self, topology: Topology, settings: Settings, fused_N: Tensor) -> None:
        """fused_N: the labels of all training samples, for the weights of the classes.

        Raises ConfigError for the weight of an exit that the topology does not have.
        """
        known = list(topology.exits)
        for name in settings.exit_weights:
            if name not in known:
                raise ConfigError(
                    f"training: exit_weights: got {name!r}, want exits ({', '.join(known)})"
                )
        self.settings = settings
        weighted = [name for name in known if settings.exit_weights.get(name, 1.0)]
        self.last_exit = weighted[-1] if weighted else known[0]
        self._devices = topology.devices
        self._weights_K = class_weights(fused_N, len(topology.classes), settings)

    def __call__(self, output: JointOutput, batch: Batch) -> Tensor:
        """The loss of one batch, a scalar."""
        exits = self.exits(output, batch)
        if self._devices[0] not in output.scores:
            return exits
        scores = [output.scores[name] for name in self._devices]
        return exits + self.settings.device_weight * self._own(scores, batch.labels_NV)

    def exits(self, output: JointOutput, batch: Batch) -> Tensor:
        """The part of the exits, without the devices' own."""
        found = [
            self.settings.exit_weights.get(name, 1.0)
            * F.cross_entropy(logits_NK.float(), batch.fused_N, weight=self._weights_K)
            for name, logits_NK in output.logits.items()
        ]
        return torch.stack(found).sum()

    def distilled(self, output: JointOutput, whole: JointOutput) -> Tensor:
        """How far each exit's answer is from its own with all devices there, which is held to be
        right and learns nothing from it: Kullback-Leibler divergence (Hinton et al. 2015)."""
        found = [
            self.settings.exit_weights.get(name, 1.0)
            * F.kl_div(
                F.log_softmax(logits_NK.float(), dim=1),
                F.log_softmax(whole.logits[name].detach().float(), dim=1),
                log_target=True,
                reduction="batchmean",
            )
            for name, logits_NK in output.logits.items()
        ]
        return self.settings.distillation * torch.stack(found).sum()

    def _own(self, scores: Sequence[Tensor], labels_NV: Tensor) -> Tensor:
        """Sum over the devices of the mean over the views that show the object, 0 where none does.

        scores: of each device (N, K).
        """
        logits_NVK, labels = torch.stack(list(scores), dim=1).float(), labels_NV.flatten()
        losses = F.cross_entropy(
            logits_NVK.flatten(0, 1), labels, self._weights_K, ignore_index=-1, reduction="none"
        )
        weights_NV = self._weights_K[labels_NV.clamp_min(0)] * (labels_NV >= 0)
        totals_V = losses.reshape(labels_NV.shape).sum(dim=0)
        return (totals_V / weights_NV.sum(dim=0).clamp_min(1)).sum()


def class_weights(fused_N: Tensor, classes: int, settings: Settings) -> Tensor:
    """(K,): all 1, or what makes a rare class count as much as the commonest, up to 4."""
    if not settings.class_balance:
        return torch.ones(classes, device=fused_N.device)
    counts_K = torch.bincount(fused_N, minlength=classes).clamp_min(1)
    return (counts_K.max() / counts_K).clamp_max(MAX_CLASS_WEIGHT)
