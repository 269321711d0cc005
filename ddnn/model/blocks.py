"""Blocks as fused units: layer, batch norm, activation in one module.

A layer before a batch norm has no bias: the norm would subtract it again (the authors' code
keeps one that does nothing). `output_bits` says how fine a block's output is: 1, 2, 4, 8 or 32.
Axes: N samples, F filters, H, W.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddnn import blocks as described
from ddnn.model.binary import FEW_BITS, activate, grid_weight, quantize_weight, whole_steps
from ddnn.model.onnx_block import OnnxBlock
from ddnn.model.own_module import ModuleBlock
from ddnn.topology import Shape

EPSILON, MOMENTUM = 2e-5, 0.1
"""Batch norm's constants in the authors' code (running decay 0.9)."""


class Layer(nn.Module):
    """Weights of 1, 2, 4, 8 or 32 bits; drawn from N(0, 1 / fan in) as the authors' code does."""

    def __init__(self, *shape: int, bits: int) -> None:
        super().__init__()
        self.bits = bits
        fan_in = math.prod(shape[1:])
        self.weight = nn.Parameter(torch.randn(shape) / math.sqrt(fan_in))

    @property
    def used_weight(self) -> Tensor:
        """What the forward pass multiplies with."""
        return quantize_weight(self.weight, self.bits)


class Convolution(Layer):
    """Padded by half its kernel; the padding is 0 whatever the bits."""

    def __init__(
        self,
        channels: int,
        filters: int,
        *,
        bits: int,
        stride: int,
        kernel: tuple[int, int] = (3, 3),
    ) -> None:
        super().__init__(filters, channels, *kernel, bits=bits)
        self.stride = stride
        self.padding = kernel[0] // 2, kernel[1] // 2
        self.sums_pixels = False
        """Whether real weights are kept where sums of pixels are exact, see `grid_weight`."""

    @property
    def used_weight(self) -> Tensor:
        return grid_weight(self.weight) if self.sums_pixels else super().used_weight

    def forward(self, x: Tensor) -> Tensor:
        if self.bits in FEW_BITS:
            x = x * whole_steps(self.bits)
        return F.conv2d(x, self.used_weight, stride=self.stride, padding=self.padding)


class Linear(Layer):
    """Fully connected, without a bias."""

    def __init__(self, inputs: int, outputs: int, *, bits: int) -> None:
        super().__init__(outputs, inputs, bits=bits)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.used_weight)


class Norm2d(nn.BatchNorm2d):
    """Batch norm of maps. Outside training it rounds as `a x + b` in two steps, as every runtime
    can: torch's own rounds in another way, and signs that follow would differ."""

    def __init__(self, filters: int) -> None:
        super().__init__(filters, eps=EPSILON, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        a_F, b_F = scale_and_shift(self)
        return (x * a_F[:, None, None]).add_(b_F[:, None, None])


class Norm1d(nn.BatchNorm1d):
    """Batch norm of vectors."""

    def __init__(self, units: int) -> None:
        super().__init__(units, eps=EPSILON, momentum=MOMENTUM)


def scale_and_shift(norm: Norm1d | Norm2d) -> tuple[Tensor, Tensor]:
    """a and b of a trained batch norm as a x + b."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("batch norm without running statistics")
    a = norm.weight / torch.sqrt(variance + norm.eps)
    return a, norm.bias - mean * a


class ConvPBlock(nn.Module):
    """Convolution, max pool, batch norm, activation (paper IV-A, figure 3)."""

    def __init__(self, block: described.ConvP, section: described.Section, channels: int) -> None:
        super().__init__()
        bits = block.weight_bits or section.weight_bits
        self.output_bits: int = block.activation_bits or section.activation_bits
        self.pool, self.pool_stride = block.pool, block.pool_stride
        self.pool_padding = block.pool[0] // 2, block.pool[1] // 2
        self.conv = Convolution(
            channels, block.filters, bits=bits, stride=block.stride, kernel=block.kernel
        )
        self.norm = Norm2d(block.filters)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv(x), self.pool, self.pool_stride, self.pool_padding)
        return activate(self.norm(x), self.output_bits)


class ConvBlock(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(self, block: described.Conv, section: described.Section, channels: int) -> None:
        super().__init__()
        bits = block.weight_bits or section.weight_bits
        self.output_bits: int = block.activation_bits or section.activation_bits
        self.conv = Convolution(
            channels, block.filters, bits=bits, stride=block.stride, kernel=block.kernel
        )
        self.norm = Norm2d(block.filters)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.norm(self.conv(x)), self.output_bits)


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut; ReLU after the sum.

    With few activation bits it is what enters each convolution that is rounded, after a batch
    norm of its own; the shortcut stays at 32 bits (Long et al. 2020; He et al. 2015 at 32 bits).
    """

    def __init__(
        self, block: described.Residual, section: described.Section, channels: int
    ) -> None:
        super().__init__()
        bits = block.weight_bits or section.weight_bits
        self.inner_bits: int = block.activation_bits or section.activation_bits
        self.output_bits = 32
        filters, stride = block.filters, block.stride
        self.norm0 = Norm2d(channels) if self.inner_bits != 32 else None
        kernel = block.kernel
        self.conv1 = Convolution(channels, filters, bits=bits, stride=stride, kernel=kernel)
        self.norm1 = Norm2d(filters)
        self.conv2 = Convolution(filters, filters, bits=bits, stride=1, kernel=kernel)
        self.norm2 = Norm2d(filters)
        same = stride == 1 and channels == filters
        self.shortcut = (
            None if same else Convolution(channels, filters, bits=32, stride=stride, kernel=(1, 1))
        )
        self.shortcut_norm = None if same else Norm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.norm0 is None else activate(self.norm0(x), self.inner_bits)
        y = activate(self.norm1(self.conv1(y)), self.inner_bits)
        y = self.norm2(self.conv2(y))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x))
        return F.relu(x + y)


class FCBlock(nn.Module):
    """Fully connected layer, batch norm, activation (paper figure 3); maps of size 1x1 come out."""

    def __init__(self, block: described.FC, section: described.Section, values: int) -> None:
        super().__init__()
        bits = block.weight_bits or section.weight_bits
        self.output_bits: int = block.activation_bits or section.activation_bits
        self.linear = Linear(values, block.units, bits=bits)
        self.norm = Norm1d(block.units)

    def forward(self, x: Tensor) -> Tensor:
        x = activate(self.norm(self.linear(x.flatten(1))), self.output_bits)
        return x[:, :, None, None]


BlockModule = ConvPBlock | ConvBlock | ResidualBlock | FCBlock | ModuleBlock | OnnxBlock


def build_block(block: described.Block, section: described.Section, shape: Shape) -> BlockModule:
    """The module of a topology's block for an input of this shape."""
    match block:
        case described.ConvP():
            return ConvPBlock(block, section, shape.F)
        case described.Conv():
            return ConvBlock(block, section, shape.F)
        case described.Residual():
            return ResidualBlock(block, section, shape.F)
        case described.FC():
            return FCBlock(block, section, shape.values)
        case described.Module():
            return ModuleBlock(block, shape)
        case described.Onnx():
            return OnnxBlock(block, shape)
