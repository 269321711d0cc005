"""Networks of the example package."""

from torch import Tensor, nn


def bottleneck(channels: int, filters: int, stride: int = 1) -> nn.Module:
    """A 1x1 convolution with batch norm."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, 1, stride=stride, bias=False), nn.BatchNorm2d(filters)
    )


class Total(nn.Module):
    """Sum over the present members."""

    def __init__(self, members: int, shape: tuple[int, ...]) -> None:
        super().__init__()

    def forward(self, values: Tensor, present_NM: Tensor) -> Tensor:
        mask = present_NM.reshape(*present_NM.shape, *[1] * (values.dim() - 2))
        return (values * mask).sum(dim=1)


def three(*_: object) -> int:
    """What is no module."""
    return 3
