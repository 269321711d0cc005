"""Networks of a user's own, as a topology names them: `own_nets:small`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def small(channels: int, filters: int = 4, stride: int = 2) -> nn.Sequential:
    """A convolution with batch norm and a gate of its own."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        Gate(filters),
        nn.Dropout(0.1),
    )


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.linear = nn.Linear(filters, filters)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.linear(x.mean(dim=(2, 3))))[:, :, None, None]


class OneSize(nn.Module):
    """Knows the size of its batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1)[:, :, None, None] if len(x) == 2 else x.flatten(1)


class Differs(nn.Module):
    """Gives something else once it is exported."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1)
        self.second = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        shift = 5.0 if torch.compiler.is_exporting() else 0.0
        return self.second(self.first(x + shift))


class Level(nn.Module):
    """Gives a single number, or three, however many samples there are."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, x: Tensor) -> Tensor:
        level = 1 + 0 * x.mean()
        return level.expand(self.numbers) if self.numbers > 1 else level


class Levelled(nn.Module):
    """Gives something else once it is exported, after a layer that gives no row a sample."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.level = Level(numbers)
        self.first = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        shift = 5.0 if torch.compiler.is_exporting() else 0.0
        return self.first(x * self.level(x).mean() + shift)


class Nudged(nn.Module):
    """Gives slightly more once it is exported."""

    def __init__(self, channels: int, nudge: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 1)
        self.nudge = nudge

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + (self.nudge if torch.compiler.is_exporting() else 0.0)


class Rows(nn.Module):
    """Maps as vectors along their width: (N, F, L)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2)


def undeclared(channels):
    """Does not say what it gives."""
    return nn.Conv2d(channels, 2, 1)


def misdeclared() -> nn.Module:
    """Says so, and gives something else."""
    return 3  # type: ignore[return-value]


def pair() -> nn.Module:
    """Gives no maps."""

    class Pair(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x, x

    return Pair()
