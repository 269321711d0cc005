"""What a node's section makes of its input. N samples, C channels, F filters, H, W."""

import pytest
import torch

from ddnn.model.sections import FeatureQuantizer, Section
from ddnn.topology import Topology, read_topology


def section(name: str = "c-devices-cloud", node: str = "cam0", **device_tier: object) -> Section:
    document = read_topology(name).model_dump(mode="json")
    document["tiers"][0] |= device_tier
    torch.manual_seed(0)
    return Section(Topology.model_validate(document), node).eval()


def test_blocks_see_pixels_in_256ths_and_a_raw_view_travels_in_255ths():
    """A power of two keeps sums exact; a raw view has the levels of an 8-bit feature."""
    views = torch.tensor([[[[0, 255], [128, 1]]]], dtype=torch.uint8)
    assert (section().scaling(views) * 256).flatten().tolist() == [0, 255, 128, 1]
    raw = section("six-cameras-raw").scaling(views)
    torch.testing.assert_close((raw * 255).flatten(), torch.tensor([0.0, 255, 128, 1]))


@pytest.mark.parametrize("absent", ["send", "skip"])
def test_only_a_device_that_skips_absent_views_says_which_it_saw(absent):
    device = section(absent=absent)
    views = torch.zeros((3, 3, 32, 32), dtype=torch.uint8)
    views[1] = 7
    views[2, 1, 5, 5] = 1  # one bright pixel is a view
    seen = device(views).seen
    assert (None if seen is None else seen.tolist()) == (
        [False, True, True] if absent == "skip" else None
    )


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_quantizer_begins_with_the_middle_of_its_range(bits):
    """Two deviations each side of the mean in [0, 1]; the mean itself is the middle."""
    quantizer = FeatureQuantizer(1, bits).eval()
    steps = 2**bits - 1
    x = torch.tensor([-3.0, -2, 0, 1, 2, 3]).reshape(-1, 1, 1, 1)
    wanted = torch.tensor([0, 0, 0.5, 0.75, 1, 1])
    assert (quantizer(x).flatten() - wanted).abs().max() <= 0.5 / steps + 1e-3


def test_a_quantizer_of_one_bit_begins_with_the_sign_of_what_is_above_the_mean():
    x = torch.tensor([-3.0, -0.1, 0.1, 3]).reshape(-1, 1, 1, 1)
    assert FeatureQuantizer(1, 1).eval()(x).flatten().tolist() == [-1, -1, 1, 1]


def test_features_go_up_only_where_there_is_a_parent_and_scores_where_there_is_an_exit():
    views = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    device = section()(views)
    assert device.features.shape == (2, 4, 16, 16)
    assert device.scores.shape == (2, 3)
    cloud = section(node="cloud")(torch.ones(2, 12, 16, 16))
    assert (cloud.features, cloud.scores.shape) == (None, (2, 3))
    assert section("a-cloud-only")(views).scores is None
