"""Numbers of few bits with gradients that pass straight through: signs and uniform steps.

Zero maps to +1. Weights take the gradient unchanged (2, 4, 8 bits: divided by the range that
batch norm takes up, which amounts to the same behind it); activations take it only where the value
before rounding lies inside the range, outside it is 0.
Source: paper, section IV-A; k bits as in Long et al. 2020 (weights) and clipped to [0, 1] with
steps of 1/(2^k - 1) for what travels between nodes (activations, see ddnn.bundle.manifest).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

FEW_BITS = (2, 4, 8)
PAST_ONE = 1 + 2.0**-23
"""The next float32 after 1: torch's own gradient of a hard tanh is 0 at the limits, ours is not."""


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
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.hardtanh_backward(gradients[0], x, -PAST_ONE, PAST_ONE)
        return passed


class _RoundSteps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: int) -> Tensor:  # noqa: ARG004  (torch's signature)
        return torch.round(x * steps) / steps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004  (torch's)
        return gradients[0], None


def signs(x: Tensor) -> Tensor:
    """+1 where x >= 0, else -1, without a gradient."""
    return torch.ge(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)


def quantize_weight(weight: Tensor, bits: int) -> Tensor:
    """The weight as the forward pass uses it: the first axis is the output filter.

    1 bit: signs. 2, 4, 8 bits: odd multiples of 2^-k between -1 and 1, one for each of 2^k levels
    evenly spaced over the filter's own range; batch norm follows every layer and takes the range
    up. 32: as is.
    """
    if bits == 32:
        return weight
    if bits == 1:
        return _apply(_SignWeight, weight)
    steps: int = 2**bits - 1
    reach = weight.detach().abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True)
    unit = (weight / reach.clamp_min(1e-12) + 1) / 2
    levels: Tensor = _apply(_RoundSteps, unit, steps)
    return (levels * (2 * steps) - steps) / (steps + 1)


def whole_steps(bits: int) -> float:
    """Makes activations of 2, 4 or 8 bits, n / (2^k - 1), multiples n / 2^k: with weights of so
    many bits their sums have no rounding error, and every machine finds the same steps behind."""
    return 1 - 2.0**-bits


def grid_weight(weight: Tensor) -> Tensor:
    """Real weights as multiples of a power of two, so coarse that sums of pixels are exact.

    A filter's sum of at most 2^16 steps times pixels of 8 bits stays within float32's 24 bits: it
    has no rounding error, whatever the order, and every machine finds the same signs behind it.
    A weight keeps about 12 bits. The gradient passes unchanged.
    """
    plain = weight.detach()
    total = plain.abs().sum(dim=tuple(range(1, weight.dim())), keepdim=True)
    step = torch.exp2(torch.ceil(torch.log2(total.clamp_min(1e-12) / (2**16 - weight[0].numel()))))
    return weight + (torch.round(plain / step) * step - plain)


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
