"""Fuses what several nodes deliver: max, average or concat, over those that are present.

Axes: N samples, M members (nodes whose vectors or maps are fused), then K classes or F, H, W.
Where no member of a sample is present the result is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ddnn.topology import Aggregator

Fuse = Callable[[Sequence[Tensor], Tensor], Tensor]


def fuse_max(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """Largest value over the present members; M tensors (N, ...) of one shape -> (N, ...).

    Members that tie share the gradient evenly; in the authors' code each has all of it
    (tried for one seed of the paper's table I, experiments/README.md).
    """
    stacked = torch.stack(list(values), dim=1)
    mask = _like(present_NM, stacked)
    largest = stacked.masked_fill(~mask, -torch.inf).amax(dim=1)
    return largest.masked_fill(~mask.any(dim=1), 0.0)


def fuse_average(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """Mean over the present members; M tensors (N, ...) of one shape -> (N, ...).

    The paper divides by all devices; with none absent that is the same.
    """
    stacked = torch.stack(list(values), dim=1)
    mask = _like(present_NM, stacked).to(stacked.dtype)
    return (stacked * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1.0)


def fuse_concat(values: Sequence[Tensor], present_NM: Tensor) -> Tensor:
    """Members side by side on axis 1, zeros for the missing: M x (N, F_m, ...) -> (N, sum F, ...).

    The members' F may differ.
    """
    present = present_NM.to(values[0].dtype)
    blocks = [
        value * present[:, m].reshape(-1, *[1] * (value.dim() - 1))
        for m, value in enumerate(values)
    ]
    return torch.cat(blocks, dim=1)


FUSE: dict[Aggregator, Fuse] = {"max": fuse_max, "average": fuse_average, "concat": fuse_concat}


def _like(present_NM: Tensor, stacked: Tensor) -> Tensor:
    """The mask as booleans with trailing axes of size 1, to spread over `stacked`."""
    shape = (*present_NM.shape, *[1] * (stacked.dim() - 2))
    return present_NM.bool().reshape(shape)
