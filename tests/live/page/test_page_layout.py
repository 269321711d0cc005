"""Where nodes are drawn."""

import pytest
from builders import star_topology

from ddnn.live.page.layout import MAX_ROWS, drawn_links, places, ranks
from ddnn.shipped import find
from ddnn.topology import COLLECTOR, read_topology

SHIPPED = sorted(path.stem for path in find("topologies", "six-cameras").parent.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_node_of_every_shipped_topology_has_a_place_of_its_own(name):
    topology = read_topology(name)
    found = places(topology)
    assert set(found) == {*topology.nodes, COLLECTOR}
    assert len({(place.x, place.y) for place in found.values()}) == len(found)
    for link in drawn_links(topology):
        assert found[link.sender].rank <= found[link.receiver].rank


def test_tiers_stand_from_the_devices_to_the_verdicts():
    titles = [title for title, _ in ranks(star_topology())]
    assert titles == ["device", "gateway", "cloud", "verdicts"]


def test_links_carry_what_the_topology_says():
    links = {link.name: link.carries for link in drawn_links(star_topology(2))}
    assert links == {
        "cam0:cloud": ("features",), "cam0:gateway": ("scores",),
        "cam1:cloud": ("features",), "cam1:gateway": ("scores",),
        "gateway:collector": ("verdicts",), "cloud:collector": ("verdicts",),
    }  # fmt: skip


def test_many_devices_stand_in_several_lines():
    found = places(star_topology(3 * MAX_ROWS + 1))
    assert max(place.y for place in found.values()) < MAX_ROWS
