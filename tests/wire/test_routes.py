import pytest
from builders import MEASURED, star_topology

from ddnn.topology import COLLECTOR, read_topology
from ddnn.wire.memory import MemoryNetwork
from ddnn.wire.messages import Kind
from ddnn.wire.routes import keepers, kept, peers, routes, told, watchers

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


@pytest.mark.parametrize("name", SHIPPED)
def test_who_hears_of_an_idle_device_seldom_watches_it_and_hears_its_keepers(name):
    topology = read_topology(name)
    for device in topology.devices:
        seldom, keeping = told(topology, device), keepers(topology, device)
        assert seldom <= watchers(topology, device) - keeping
        assert all(seldom <= set(peers(topology, keeper)) for keeper in keeping)
        assert all(device in kept(topology, keeper) for keeper in keeping)


def test_a_devices_keeper_takes_its_scores_or_where_there_is_no_exit_its_features():
    star, plain = star_topology(2), read_topology("c-devices-cloud")
    assert keepers(star, "cam0") == {"gateway"}
    assert told(star, "cam0") == {"cloud", COLLECTOR}
    assert kept(star, "gateway") == {"cam0", "cam1"}
    assert kept(star, "cam0") == kept(star, COLLECTOR) == frozenset()
    assert keepers(star, "gateway") == told(star, "gateway") == frozenset()
    assert all(keepers(plain, name) for name in plain.devices)
