"""Networks of the example package."""

from torch import nn


def bottleneck(channels: int, filters: int, stride: int = 1) -> nn.Module:
    """A 1x1 convolution with batch norm."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, 1, stride=stride, bias=False), nn.BatchNorm2d(filters)
    )
