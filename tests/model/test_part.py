"""Networks cut in two by a layer's name. Axes: N samples."""

import pytest
import torch
from torch import Tensor, fx, nn

from ddnn.errors import ConfigError
from ddnn.model.measured import measured
from ddnn.model.part import DEVIATION, MEAN, Normalize, part
from ddnn.topology import read_topology

CHAIN = "test_part:Chain"


class Chain(nn.Module):
    """Two blocks, the second with a shortcut, then a head."""

    def __init__(self, filters: int = 2) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, filters, 3), nn.BatchNorm2d(filters))
        self.second = nn.Conv2d(filters, filters, 1)
        self.head = nn.Linear(filters, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = torch.relu(x) + self.second(x)
        return self.head(x.mean(dim=(2, 3)))


class Winding(nn.Module):
    """Its way depends on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("layer", ["first", "first.0", "first.1"])
def test_both_parts_together_are_the_whole_network(layer):
    whole = Chain(filters=3).eval()
    below = part(CHAIN, upto=layer, args={"filters": 3}).eval()
    above = part(CHAIN, after=layer, args={"filters": 3}).eval()
    state = whole.state_dict()
    for piece in (below, above):
        piece.load_state_dict({key: state[key] for key in piece.state_dict()})
    assert set(below.state_dict()) | set(above.state_dict()) == set(state)
    assert not set(below.state_dict()) & set(above.state_dict())
    x = torch.randn(2, 1, 6, 6)
    torch.testing.assert_close(above(below(x)), whole(x))


def test_a_part_is_trained_like_any_module():
    assert part(CHAIN, upto="first").training
    assert isinstance(part(CHAIN, upto="first"), fx.GraphModule)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"after": "second"}, r"second: .* goes past it, and what follows needs it"),
        ({"upto": "third"}, r"test_part:Chain: 0 layers named 'third', want one \(known: first\.0"),
    ],
)
def test_a_layer_that_is_no_cut_is_refused(given, said):
    with pytest.raises(ConfigError, match=f"^{said}"):
        part(CHAIN, **given)


def test_a_network_whose_way_depends_on_its_input_cannot_be_cut():
    with pytest.raises(ConfigError, match=r"^Winding: cannot be cut: TraceError"):
        part("test_part:Winding")


def test_pixels_become_what_torchvisions_weights_want():
    pixels = torch.full((1, 3, 1, 1), 128.0) / 256
    wanted = (128 / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    torch.testing.assert_close(Normalize()(pixels).flatten(), wanted)


def test_the_shipped_mobilenet_is_cut_behind_its_third_block():
    pytest.importorskip("torchvision", reason="needs torchvision")
    topology = measured(read_topology("mobilenet-split"))
    assert topology.feature_shape("camera") == (8, 12, 12)
    assert topology.feature_bytes("camera") == 8 * 12 * 12 // 2
    assert topology.feature_shape("cloud") == (576, 3, 3)
