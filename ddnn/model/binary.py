"""Numbers of few bits with gradients that pass straight through: signs and uniform steps.

Zero maps to +1. Weights take the gradient unchanged; activations take it only where the value
before rounding lies inside the range, outside it is 0.
Source: paper, section IV-A; k bits as in Long et al. 2020 (weights) and clipped to [0, 1] with
steps of 1/(2^k - 1) for what travels between nodes (activations, see ddnn.bundle.manifest).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _SignWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:  # noqa: ARG004  (torch's signature)
        return signs(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004  (torch's signature)
        return gradients[0]


class _SignActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.abs() <= 1)
        return signs(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        inside: Tensor = ctx.saved_tensors[0]
        return gradients[0] * inside


class _RoundSteps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: int) -> Tensor:  # noqa: ARG004  (torch's signature)
        return torch.round(x * steps) / steps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004  (torch's)
        return gradients[0], None


def signs(x: Tensor) -> Tensor:
    """+1 where x >= 0, else -1, without a gradient."""
    return (x >= 0).to(x.dtype).mul_(2).sub_(1)


def quantize_weight(weight: Tensor, bits: int) -> Tensor:
    """The weight as the forward pass uses it: the first axis is the output filter.

    1 bit: signs. 2, 4, 8 bits: 2^k levels, evenly spaced over each filter's own range
    [-max|w|, +max|w|]; batch norm follows every layer, so the range costs no memory. 32: as is.
    """
    if bits == 32:
        return weight
    if bits == 1:
        return _apply(_SignWeight, weight)
    reach = weight.detach().abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True)
    unit = (weight / reach.clamp_min(1e-12) + 1) / 2
    return (_apply(_RoundSteps, unit, 2**bits - 1) * 2 - 1) * reach


def activate(x: Tensor, bits: int) -> Tensor:
    """The activation of this width: sign (1), [0, 1] in steps of 1/(2^k - 1) (2, 4, 8), ReLU (32).

    The gradient is 0 where |x| > 1 (sign) or outside [0, 1] (steps).
    """
    if bits == 32:
        return F.relu(x)
    if bits == 1:
        return _apply(_SignActivation, x)
    return _apply(_RoundSteps, x.clamp(0, 1), 2**bits - 1)


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)
    return result
