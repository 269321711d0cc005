"""Networks that the experiments cut."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small


class Features(nn.Module):
    """MobileNetV3-small without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = mobilenet_v3_small().features

    def forward(self, x: Tensor) -> Tensor:
        """(N, 576, H / 32, W / 32) of colour pixels."""
        found: Tensor = self.features(x)
        return found
