import pytest
from builders import MEASURED, star_topology

from ddnn.topology import COLLECTOR, read_topology
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Kind
from ddnn.wire.routes import peers, routes

SHIPPED = MEASURED


@pytest.mark.parametrize("name", SHIPPED)
def test_nobody_sends_to_itself(name):
    assert not [route for route in routes(read_topology(name)) if route[0] == route[1]]


@pytest.mark.parametrize("name", SHIPPED)
def test_whoever_is_waited_for_beats_its_heart(name):
    found = routes(read_topology(name))
    for sender, receiver, kind in found:
        if kind in (Kind.SCORES, Kind.FEATURES, Kind.VERDICT):
            assert (sender, receiver, Kind.HEARTBEAT) in found


@pytest.mark.parametrize("name", SHIPPED)
def test_no_view_goes_to_another_node_and_only_exits_give_verdicts(name):
    topology = read_topology(name)
    holders = {tier.exit.at for tier in topology.exits.values() if tier.exit}
    found = routes(topology)
    assert {sender for sender, _, kind in found if kind == Kind.VERDICT} == holders
    assert {to for _, to, kind in found if kind == Kind.CAPTURE} == set(topology.devices)
    assert {to for _, to, kind in found if kind == Kind.VIEW} == {
        COLLECTOR
    }  # to be shown, if asked


def test_peers_are_those_one_sends_to():
    topology = star_topology(2)
    assert peers(topology, "cam0") == ("cloud", COLLECTOR, "gateway")
    assert peers(topology, "gateway") == ("cam0", "cam1", "cloud", COLLECTOR)
    assert peers(topology, COLLECTOR) == ("cam0", "cam1", "cloud", "gateway")


def test_a_node_that_is_cut_off_neither_sends_nor_receives_until_it_heals():
    network = MemoryNetwork()
    one, other = network.join("one"), network.join("other")
    one.send("other", b"lost")
    network.cut("other")
    assert (one.send("other", b"x"), other.send("one", b"x")) == (False, False)
    network.heal("other")
    assert other.receive(0) == []
    assert one.send("other", b"new")
    assert other.receive(0) == [(b"new", None)]
    assert network.is_quiet
