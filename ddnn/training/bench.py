"""Training speed against the plain eager loop: same network, batches, machine and run.

The plain network is the paper's (devices with ConvP and a class vector, max for vectors, concat
for maps, two ConvP in the cloud) as one would first write it: modules in a Python loop, tensors
in torch's default layout, the optimizer as it comes.
Axes: N samples, V views, K classes, C image channels, F filters, H, W.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddnn.data.checks import check_fits
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.topology import Topology, read_topology
from ddnn.training.batches import Batch, batches, tensors
from ddnn.training.fit import train_mode, train_step
from ddnn.training.loss import JointLoss
from ddnn.training.optimizer import make_optimizer
from ddnn.training.settings import settings_for
from ddnn.training.threads import threads_for

TOPOLOGY = "six-cameras"
ROUNDS = 5


def plain_sign(x: Tensor) -> Tensor:
    """Sign with the gradient of a hard tanh."""
    bounded = x.clamp(-1, 1)
    return bounded + (torch.where(x >= 0, 1.0, -1.0) - bounded).detach()


def plain_sign_weight(weight: Tensor) -> Tensor:
    """Sign with the gradient passed through."""
    return weight + (torch.where(weight >= 0, 1.0, -1.0) - weight).detach()


class PlainConvP(nn.Module):
    """Convolution, pool, batch norm, sign."""

    def __init__(self, channels: int, filters: int, pool_stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.pool_stride = pool_stride

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, plain_sign_weight(self.conv.weight), padding=1)
        return plain_sign(self.norm(F.max_pool2d(x, 3, self.pool_stride, 1)))


class PlainHead(nn.Module):
    """Fully connected layer and batch norm."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes, bias=False)
        self.norm = nn.BatchNorm1d(classes)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.norm(F.linear(x.flatten(1), plain_sign_weight(self.linear.weight)))
        return scores


class PlainNetwork(nn.Module):
    """The paper's figure 4 with 4 filters a device and 16 in the cloud."""

    def __init__(self, views: int, channels: int, size: int, classes: int) -> None:
        super().__init__()
        half = (size - 1) // 2 + 1
        self.devices = nn.ModuleList(PlainConvP(channels, 4, 2) for _ in range(views))
        self.heads = nn.ModuleList(PlainHead(4 * half**2, classes) for _ in range(views))
        self.cloud = nn.Sequential(PlainConvP(4 * views, 16, 1), PlainConvP(16, 16, 1))
        self.cloud_head = PlainHead(16 * half**2, classes)

    def forward(
        self, views_NVCHW: Tensor, present_NV: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Scores of each device, logits of the local and of the cloud exit."""
        maps = [device(views_NVCHW[:, v]) for v, device in enumerate(self.devices)]
        scores = [head(x) for head, x in zip(self.heads, maps, strict=True)]
        hidden = ~present_NV[:, :, None]
        local_NK = torch.stack(scores, 1).masked_fill(hidden, -torch.inf).max(dim=1).values
        together = torch.cat(
            [x * present_NV[:, v, None, None, None] for v, x in enumerate(maps)], 1
        )
        return scores, local_NK, self.cloud_head(self.cloud(together))


def plain_step(network: PlainNetwork, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    """One update."""
    views = torch.stack(batch.views, dim=1).float() / 255
    scores, local_NK, cloud_NK = network(views, batch.present_NV)
    loss = F.cross_entropy(local_NK, batch.fused_N) + F.cross_entropy(cloud_NK, batch.fused_N)
    for v, scores_NK in enumerate(scores):
        labels_N = batch.labels_NV[:, v]
        if (labels_N >= 0).any():
            loss = loss + F.cross_entropy(scores_NK, labels_N, ignore_index=-1)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.clamp_(-1, 1)


def training_speed(samples: MultiView, *, batch: int = 32, rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds an epoch of both, and their ratio (below 1: ours is faster).

    Both get the same batches, prepared beforehand, and as many threads as training uses; rounds
    alternate, so that what else the machine does meets both. Medians over the rounds.
    Augmentation is timed on its own. Tried and not faster: unfolding with a matrix product, leaving
    out black views, convolving and pooling a few samples at a time. What helps: channels-last maps,
    small devices in one pass (ddnn.model.together), the losses of all devices in one.
    Raises ConfigError when the samples are not what the six-camera topology takes.
    """
    topology = read_topology(TOPOLOGY)
    check_fits(topology, samples)
    if topology.view.height != topology.view.width:
        raise ConfigError(f"{TOPOLOGY}: the plain network wants square views")
    torch_device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    everything = tensors(samples, torch_device)
    torch.manual_seed(0)
    settings = settings_for("robust", batch=batch, augment="scene", view_mixing=0.4)
    joint = Joint(topology).to(torch_device)
    joint.learn_together()
    train_mode(joint)
    ours = _ours(joint, everything.fused_N)
    plain = _plain(topology, torch_device)
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    with threads_for(joint):
        threads = torch.get_num_threads()
        started_s = time.perf_counter()
        prepared = list(batches(everything, settings))
        preparing_s = time.perf_counter() - started_s
        for _ in range(rounds + 1):  # the first warms up
            times["plain"].append(_epoch_s(plain, prepared))
            times["ours"].append(_epoch_s(ours, prepared))
    ours_s, plain_s = (statistics.median(times[name][1:]) for name in ("ours", "plain"))
    return {
        "samples": len(samples),
        "batch": batch,
        "rounds": rounds,
        "torch_threads": threads,
        "torch_device": str(torch_device),
        "plain_epoch_s": plain_s,
        "ours_epoch_s": ours_s,
        "ratio": ours_s / plain_s,
        "augmentation_epoch_s": preparing_s,
    }


Step = Callable[[Batch], object]


def _ours(joint: Joint, fused_N: Tensor) -> Step:
    settings = settings_for("robust")
    loss_of = JointLoss(joint.topology, settings, fused_N)
    optimizer = make_optimizer(joint, settings)
    return lambda batch: train_step(joint, optimizer, batch, loss_of)


def _plain(topology: Topology, torch_device: torch.device) -> Step:
    shape = topology.view.shape
    network = PlainNetwork(topology.views, shape.F, shape.H, len(topology.classes))
    network = network.to(torch_device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    return lambda batch: plain_step(network, optimizer, batch)


def _epoch_s(step: Step, prepared: list[Batch]) -> float:
    started_s = time.perf_counter()
    for batch in prepared:
        step(batch)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started_s
