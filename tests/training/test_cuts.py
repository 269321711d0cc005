"""Where a network is cut, and what is said of each place. Axes: N samples."""

import math

import pytest
import torch
from torch import Tensor, nn

from ddnn.errors import ConfigError, DataError
from ddnn.training.cuts import (
    VIEW,
    WHOLE,
    Conditions,
    Cut,
    find_cuts,
    measure_cuts,
    threshold_for,
)


class Net(nn.Module):
    """A stem, a block with a shortcut, a pool and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), Block())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class Beside(nn.Module):
    """Everything goes past everything."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.two(x)


@pytest.fixture(scope="module")
def cuts() -> dict[str, Cut]:
    torch.manual_seed(0)
    inputs = torch.rand(12, 3, 16, 16)
    given = Conditions(bits=4, link_kbps=100, server_speed=10)
    found = measure_cuts(Net(), inputs, view_bytes=768, conditions=given)
    return {cut.layer: cut for cut in found}


def test_cuts_are_the_layers_through_which_everything_passes():
    assert find_cuts(Net())[1] == ("features.0", "features.1", "features.2", "pool", "head")
    with pytest.raises(ConfigError, match=r"^Beside: no layer through which everything passes"):
        find_cuts(Beside())


def test_each_cut_says_what_is_sent_and_what_is_held(cuts):
    assert list(cuts) == [VIEW, "features.0", "features.1", "features.2", "pool", WHOLE]
    assert {name: cut.raw_bytes for name, cut in cuts.items()} == {
        VIEW: 768, "features.0": 256, "features.1": 256, "features.2": 256, "pool": 4, WHOLE: 16,
    }  # fmt: skip
    stem, block, head = 4 * (3 * 8 * 9 + 8), 4 * (8 * 8 * 9 + 8), 4 * (8 * 4 + 4)
    held = [cut.weight_bytes for cut in cuts.values()]
    assert held == [0, stem, stem, stem + block, stem + block, stem + block + head]


def test_volume_counts_what_is_not_zero(cuts):
    assert cuts["features.0"].log2_volume == pytest.approx(math.log2(512))
    assert cuts["features.1"].log2_volume < cuts["features.0"].log2_volume
    assert 0 < cuts["features.1"].coded_bytes < cuts["features.0"].coded_bytes


def test_a_cut_is_as_quick_as_sending_the_view_at_its_break_even_link(cuts):
    for name in ("features.0", "pool"):
        cut, link_kbps = cuts[name], cuts[name].break_even_kbps
        assert cut.total_ms(link_kbps) == pytest.approx(cuts[VIEW].total_ms(link_kbps))
        assert cut.total_ms(link_kbps / 2) < cuts[VIEW].total_ms(link_kbps / 2)
    assert cuts[VIEW].break_even_kbps is None


def test_early_answers_make_up_for_what_the_device_takes():
    slow = Cut(
        layer="x", shape=(1,), device_ms=50, rest_ms=1, weight_bytes=0, raw_bytes=100,
        coded_bytes=None, log2_volume=0, break_even_kbps=None, early_share=0.25,
    )  # fmt: skip
    assert slow.total_ms(8, early_share=0.25) == pytest.approx(50 + 0.75 * 101)


def test_the_threshold_is_the_lowest_that_answers_enough():
    sweep = [{"threshold": f"{t}", "local_share": f"{t}"} for t in (0.9, 0.2, 0.5)]
    assert threshold_for(sweep, 0.4) == 0.5
    assert threshold_for(sweep, 0.95) is None


def test_few_samples_are_refused():
    with pytest.raises(DataError, match=r"^cut: 3 samples, want more than 8"):
        measure_cuts(Net(), torch.rand(3, 3, 16, 16), view_bytes=768, conditions=Conditions())
