"""A small network that is cut: `cut_nets:small`."""

from torch import nn


def small() -> nn.Module:
    """3 x 16 x 16 in, three classes out."""
    return Net()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1)
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.pool(self.features(x)).flatten(1))
