"""N samples, V views, K classes, C image channels, F filters, H, W."""

import pytest
import torch
from builders import MEASURED, random_views
from torch import Tensor

from ddnn.errors import ShapeError
from ddnn.model.joint import Joint
from ddnn.topology import Topology, read_topology

TOPOLOGIES = MEASURED


def any_views_of(topology: Topology, count: int = 3) -> list[Tensor]:
    """Of each device, of its own size and type."""
    return [torch.from_numpy(array) for array in random_views(topology, count).views.arrays]


def views_of(topology: Topology, count: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, topology.views, *topology.view.shape)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def changed(name: str, change) -> Topology:
    document = read_topology(name).model_dump(mode="json")
    change(document)
    return Topology.model_validate(document)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_shipped_topology_gives_logits_scores_and_features_of_its_shapes(name):
    topology = read_topology(name)
    output = Joint(topology)(any_views_of(topology))
    classes = len(topology.classes)
    assert list(output.logits) == list(topology.exits)
    assert {x.shape for x in output.logits.values()} == {(3, classes)}
    assert {x.shape for x in output.scores.values()} == {(3, classes)}
    assert set(output.scores) == {
        node for tier in topology.exits.values() for node in topology.members(tier.name)
    }
    for node, features in output.features.items():
        assert features.shape == (3, *topology.feature_shape(node))


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_features_hold_only_what_their_bits_can_say(name):
    topology = read_topology(name)
    output = Joint(topology)(any_views_of(topology))
    for node, features in output.features.items():
        bits = topology.section(node).sent_bits
        if bits == 1:
            assert set(features.unique().tolist()) <= {-1.0, 1.0}
        elif bits < 32:
            steps = 2**bits - 1
            assert torch.isin(features, torch.arange(steps + 1) / steps).all()


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_weight_learns_from_the_sum_of_the_exits(name):
    topology = read_topology(name)
    joint = Joint(topology)
    output = joint(any_views_of(topology, 4))
    sum(x.square().sum() for x in output.logits.values()).backward()
    heard = [key for key, value in joint.named_parameters() if value.grad is None]
    assert heard == []


@pytest.mark.parametrize("name", ["six-cameras", "e-devices-edge-cloud", "f-edges-cloud"])
def test_what_an_absent_device_sees_changes_nothing(name):
    topology = read_topology(name)
    joint = Joint(topology).eval()
    views = views_of(topology)
    present = torch.ones(3, topology.views, dtype=torch.bool)
    present[:, 0] = present[1, 4] = False
    other = views.clone()
    other[~present] = 255 - other[~present]
    before, after = joint(views, present), joint(other, present)
    for exit_name in topology.exits:
        assert torch.equal(before.logits[exit_name], after.logits[exit_name])
    assert not torch.equal(joint(views).logits["cloud"], before.logits["cloud"])


def test_an_edge_none_of_whose_devices_is_present_is_masked_itself():
    topology = read_topology("f-edges-cloud")
    joint = Joint(topology).eval()
    views = views_of(topology)
    present = torch.ones(3, 6, dtype=torch.bool)
    present[:, 3:] = False
    output = joint(views, present)
    torch.testing.assert_close(output.logits["edge"], output.scores["edge0"])


def test_devices_are_computed_once_for_all_patterns_of_presence():
    topology = read_topology("six-cameras")
    joint = Joint(topology).eval()
    views = views_of(topology)
    present = torch.tensor([[True, False, True, True, False, True]] * 3)
    fused = joint.fuse(joint.perceive(views), present)
    assert torch.equal(fused.logits["cloud"], joint(views, present).logits["cloud"])


def test_one_lost_device_under_max_leaves_the_others_scores():
    topology = read_topology("c-devices-cloud")
    joint = Joint(topology).eval()
    present = torch.tensor([[True, False, True]])
    output = joint(views_of(topology, 1), present)
    wanted = torch.maximum(output.scores["cam0"], output.scores["cam2"])
    assert torch.equal(output.logits["local"], wanted)


def test_devices_may_differ_in_filters():
    def widen(document):
        blocks = [{"kind": "convp", "filters": 7}]
        document["nodes"]["cam2"]["section"] = {
            "blocks": blocks,
            "weight_bits": 1,
            "activation_bits": 1,
        }

    topology = changed("six-cameras", widen)
    output = Joint(topology)(views_of(topology))
    assert output.features["cam2"].shape[1] == 7
    assert output.features["cam1"].shape[1] == 4


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 32])
def test_residual_sections_send_their_maps_at_the_bits_asked_for(bits):
    def deepen(document):
        document["tiers"][0]["section"] = {
            "blocks": [
                {"kind": "conv", "filters": 4},
                {"kind": "residual", "filters": 4, "activation_bits": bits, "weight_bits": bits},
                {"kind": "residual", "filters": 6, "stride": 2, "weight_bits": bits},
            ],
            "feature_bits": bits,
        }
        document["tiers"][0]["exit"]["pool"] = 3

    topology = changed("b-device-cloud", deepen)
    output = Joint(topology)(views_of(topology, 4))
    levels = len(output.features["cam0"].unique())
    assert levels > 256 if bits == 32 else 1 < levels <= 2**bits


def test_a_node_may_have_any_allowed_name():
    def rename(document):
        for node in list(document["nodes"].values()):
            node["parent"] = "cpu" if node["parent"] == "cloud" else node["parent"]
        document["nodes"]["cpu"] = document["nodes"].pop("cloud")
        document["tiers"][1]["exit"]["at"] = "cpu"

    topology = changed("c-devices-cloud", rename)
    joint = Joint(topology)
    assert joint(views_of(topology)).logits["cloud"].shape == (3, 3)
    assert any(key.startswith("sections.cpu.") for key in joint.state_dict())


def test_views_of_another_shape_are_refused_with_both_shapes():
    topology = read_topology("six-cameras")
    with pytest.raises(ShapeError, match="views: got 5, want 6, one a device"):
        Joint(topology)(torch.zeros(2, 5, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ShapeError, match=r"\(2, 3, 32, 31\), want torch.uint8 \(N, 3, 32, 32"):
        Joint(topology)(torch.zeros(2, 6, 3, 32, 31, dtype=torch.uint8))
