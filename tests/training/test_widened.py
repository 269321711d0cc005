"""The preset `accurate`: wider devices, the rest as it was."""

import pytest
from tiny import make_topology

from ddnn.errors import ConfigError
from ddnn.model.cost import section_bits
from ddnn.topology import Topology, read_topology
from ddnn.training.run import open_run, resume_run, train_run
from ddnn.training.settings import settings_for
from ddnn.training.widened import widened


def test_devices_have_four_times_the_filters_and_send_as_few_bits_a_value():
    narrow = read_topology("six-cameras")
    wide = widened(narrow)
    (block,) = wide.section("cam0").blocks
    assert (block.filters, wide.section("cam0").weight_bits) == (16, 32)
    assert wide.section("cam0").sent_bits == narrow.section("cam0").sent_bits == 1
    assert wide.feature_bytes("cam0") == 4 * narrow.feature_bytes("cam0")
    assert section_bits(wide, "cam0") > 32 * section_bits(narrow, "cam0")
    assert wide.section("cloud") == narrow.section("cloud")
    assert (wide.nodes, wide.exits["local"].exit) == (narrow.nodes, narrow.exits["local"].exit)


def test_a_device_with_a_section_of_its_own_is_made_wider_too():
    document = make_topology().model_dump(mode="json")
    document["nodes"]["cam0"]["section"] = document["tiers"][0]["section"]
    wide = widened(Topology.model_validate(document))
    assert wide.section("cam0") == wide.section("cam1")


@pytest.mark.parametrize("name", ["six-cameras-raw"])
def test_devices_without_filters_are_refused(name):
    with pytest.raises(ConfigError, match=r"preset accurate: six-cameras-raw has no device with"):
        widened(read_topology(name))


def test_a_run_is_of_the_wider_topology_also_when_it_is_gone_on_with(tmp_path, card):
    settings = settings_for("accurate", epochs=1, batch=16)
    run = train_run(tmp_path / "run", make_topology(), card, settings)
    assert run.topology == widened(make_topology())
    assert resume_run(tmp_path / "run", epochs=2).topology == run.topology
    assert open_run(tmp_path / "run").topology == run.topology
