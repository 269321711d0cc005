"""Multiplications and energy of the hybrid network, held against the published account."""

import pytest

from ddnn.errors import ConfigError
from ddnn.model.energy import DEFAULT, comparisons, energy_of, passing, read_constants, working
from ddnn.model.layers import block_layers, head_layers
from ddnn.topology import Topology, read_topology

SHIPPED = "hybrid-resnet32-n17-k1"


@pytest.fixture(scope="module")
def constants():
    return read_constants(DEFAULT)


def macs(layers):
    return sum(layer.macs for layer in layers)


def test_layers_of_a_residual_block_and_its_shortcut():
    layers = block_layers(read_topology(SHIPPED), "cam0")
    stem, first, shortcut = layers[0], layers[1], layers[13]
    assert (stem.macs, stem.weights, stem.mac_bits) == (32 * 32 * 9 * 3 * 16, 432, 32)
    assert (first.macs, first.weight_bits, first.input_bits) == (32 * 32 * 9 * 16 * 16, 1, 1)
    assert stem.memory_bits == 32 * 432 + 32
    assert first.memory_bits == 9 * 16 * 16 + 2 * 32  # a batch norm before it as well
    assert (shortcut.macs, shortcut.mac_bits) == (16 * 16 * 16 * 32, 32)
    assert len(layers) == 1 + 17


def test_the_trunk_has_the_multiplications_of_resnet_32():
    topology = read_topology(SHIPPED)
    edge, cloud = (macs(block_layers(topology, name)) for name in ("cam0", "cloud"))
    assert round((edge + cloud) / 1e6, 1) == 69.1
    assert round(100 * edge / (edge + cloud)) == 54


def test_layers_see_the_bits_that_arrive():
    topology = read_topology("six-cameras")
    cam, cloud = block_layers(topology, "cam0")[0], block_layers(topology, "cloud")[0]
    assert (cam.input_bits, cam.mac_bits) == (8, 8)
    assert (cloud.input_bits, cloud.mac_bits) == (1, 1)
    (head,) = head_layers(topology, "cam0")
    assert (head.macs, head.weights) == (4 * 16 * 16 * 3,) * 2


def test_a_sample_costs_a_tier_only_where_it_comes(constants):
    topology = read_topology("d-device-edge-cloud")
    shares = {"local": 0.5, "edge": 0.25, "cloud": 0.25}
    assert passing(topology, shares) == {
        "device": (1, 0.5), "edge": (0.5, 0.25), "cloud": (0.25, 0),
    }  # fmt: skip
    layers = [*block_layers(topology, "cloud"), *head_layers(topology, "cloud")]
    cloud = energy_of(topology, "cloud", constants, shares)
    assert cloud.compute_pj == pytest.approx(working(layers, constants).compute_pj / 4)
    assert cloud.radio_pj == 0


def test_the_radio_carries_the_features_that_are_asked_for(constants):
    topology = read_topology(SHIPPED)
    device = energy_of(topology, "device", constants, {"local": 0.75, "cloud": 0.25})
    assert device.radio_pj == pytest.approx(0.25 * 1024 * 8 * 283_000)


def test_each_account_compares_what_it_says(constants):
    topology = read_topology(SHIPPED)
    found = comparisons(topology, constants, {"local": 0.65, "cloud": 0.35})
    assert found["sent"].ours_uj == found["kept"].ours_uj
    raw_uj = 3072 * 8 * 283e-3
    assert found["sent"].plain_uj - found["kept"].plain_uj == pytest.approx(raw_uj)
    assert found["edge"].reduction > found["compute"].reduction
    nothing = comparisons(topology, constants, {"local": 0.0, "cloud": 1.0})["compute"]
    assert found["compute"].plain_uj == nothing.plain_uj
    assert found["compute"].ours_uj < nothing.ours_uj


def test_without_few_bits_and_early_exits_nothing_is_saved(constants):
    document = read_topology(SHIPPED).model_dump(mode="json")
    document["tiers"][0]["section"] |= dict.fromkeys(
        ("weight_bits", "activation_bits", "feature_bits"), 32
    )
    document["tiers"][0]["exit"] = None
    topology = Topology.model_validate(document)
    assert comparisons(topology, constants, {"cloud": 1.0})["compute"].reduction == 1


def test_a_table_without_a_width_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(DEFAULT.read_text().replace("4: 0.4875, ", ""))
    with pytest.raises(ConfigError, match=r"mine.yaml: mac.pj"):
        read_constants(path)
    path.write_text(DEFAULT.read_text().replace("4: 0.4875", "3: 0.4875"))
    with pytest.raises(ConfigError, match=r"mine.yaml: mac.pj"):
        read_constants(path)
