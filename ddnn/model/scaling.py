"""Brings what a device saw to the range that its blocks work in.

Axes: N samples, C channels, H, W.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ddnn.topology import View

PIXEL_SCALE = 256
"""Blocks see pixels / 256: a power of two, so that sums of pixels with weights of one bit are
exact and every machine finds the same sign."""
RAW_SCALE = 255
"""A raw view travels as multiples of 1/255, like every 8-bit feature."""
STEPS = 16
"""Before blocks that give few bits, readings are rounded to sixteenths of a deviation, from -8 to
7.9375: 8 bits as pixels have, so that these sums are exact too."""


class Pixels(nn.Module):
    """uint8 as numbers from 0 to 1."""

    def __init__(self, *, raw: bool) -> None:
        """raw: as they travel, where no block follows."""
        super().__init__()
        self.scale = RAW_SCALE if raw else PIXEL_SCALE

    def forward(self, views_NCHW: Tensor) -> Tensor:
        return views_NCHW.to(torch.float32, memory_format=torch.channels_last) / self.scale


class Readings(nn.Module):
    """Values of a sensor, each channel less its mean and over its deviation in training.

    Before the training has begun, means are 0 and deviations 1.
    """

    mean_C: Tensor
    factor_C: Tensor

    def __init__(self, channels: int, *, rounds: bool) -> None:
        """rounds: to STEPS a deviation."""
        super().__init__()
        self.rounds = rounds
        self.register_buffer("mean_C", torch.zeros(channels))
        self.register_buffer("factor_C", torch.ones(channels))

    def set(self, mean_C: Tensor, deviation_C: Tensor) -> None:
        """A channel that never changes keeps a factor of 1."""
        self.mean_C.copy_(mean_C)
        self.factor_C.copy_(torch.where(deviation_C > 0, 1 / deviation_C, 1.0))

    def forward(self, views_NCHW: Tensor) -> Tensor:
        x = views_NCHW.to(torch.float32, memory_format=torch.channels_last)
        x = (x - self.mean_C[:, None, None]) * self.factor_C[:, None, None]
        if not self.rounds:
            return x
        return (x * STEPS).round().clamp(-128, 127) / STEPS


def scaling_of(view: View, *, raw: bool, rounds: bool) -> Pixels | Readings:
    """What stands before a device's blocks."""
    if view.type == "uint8":
        return Pixels(raw=raw)
    return Readings(view.channels, rounds=rounds)
