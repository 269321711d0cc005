"""What runs where, and what may listen there."""

from pathlib import Path

import pytest
from builders import star, star_topology

from ddnn.errors import ConfigError, LaunchError
from ddnn.run.hosts import check_exposure, check_host, is_loopback, nodes_of_host
from ddnn.run.operator import Operator
from ddnn.run.plan import parse_failure
from ddnn.run.sockets import load_keys
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair


def two_hosts(*, address: str = "127.0.0.1", curve: bool = False) -> Topology:
    document = star(2, security={"curve": curve})
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cloud" else "site"
    document["collector"]["host"] = "site"
    document["nodes"]["cloud"]["endpoint"] = f"tcp://{address}:20999"
    return Topology.model_validate(document)


def test_each_node_belongs_to_one_host():
    topology = two_hosts()
    assert topology.hosts == ("site", "far")
    assert nodes_of_host(topology, "site") == ("cam0", "cam1", "gateway")
    assert nodes_of_host(topology, "far") == ("cloud",)
    assert nodes_of_host(topology, None) == tuple(topology.nodes)


def test_an_unknown_host_is_named_with_those_that_are_known():
    with pytest.raises(ConfigError, match=r"--host: no host named 'moon' \(known: site, far\)"):
        check_host(two_hosts(), "moon")


def test_one_machine_plays_all_hosts_only_on_loopback():
    check_host(two_hosts(), None)
    check_host(two_hosts(address="10.0.0.9"), "far")
    check_host(star_topology(), None)
    with pytest.raises(ConfigError, match=r"cloud at tcp://10\.0\.0\.9:20999: want --host NAME"):
        check_host(two_hosts(address="10.0.0.9"), None)


@pytest.mark.parametrize(
    ("endpoint", "wanted"),
    [
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.9.9.9:1", True),
        ("tcp://localhost:1", True),
        ("tcp://[::1]:1", True),
        ("tcp://0.0.0.0:1", False),
        ("tcp://192.168.1.4:1", False),
        ("tcp://[fe80::1]:1", False),
        ("tcp://localhost.example.org:1", False),
        ("tcp://127.example.org:1", False),
    ],
)
def test_loopback_addresses_are_known(endpoint, wanted):
    assert is_loopback(endpoint) == wanted


def test_nobody_listens_to_other_machines_without_curve_unless_told_to():
    check_exposure(two_hosts(), insecure=False)
    check_exposure(two_hosts(address="10.0.0.9", curve=True), insecure=False)
    check_exposure(two_hosts(address="10.0.0.9"), insecure=True)
    with pytest.raises(ConfigError, match=r"^cloud: tcp://10\.0\.0\.9:20999 is open .*--insecure$"):
        check_exposure(two_hosts(address="10.0.0.9"), insecure=False)


def test_the_shipped_example_is_encrypted():
    topology = read_topology("two-hosts")
    assert len(topology.hosts) == 2
    check_exposure(topology, insecure=False)


def test_keys_are_wanted_exactly_when_the_topology_says_so(tmp_path: Path):
    plain, sealed = two_hosts(), two_hosts(curve=True)
    write_keys(tmp_path / "keys", (COLLECTOR, *sealed.nodes), make_key_pair)
    assert load_keys(plain, "cam0", None) is None
    ring = load_keys(sealed, "cam0", tmp_path / "keys")
    assert ring is not None
    assert set(ring.public) == {COLLECTOR, *sealed.nodes}
    with pytest.raises(ConfigError, match=r"star has security\.curve: want --keys FOLDER"):
        load_keys(sealed, "cam0", None)
    with pytest.raises(ConfigError, match="keys: topology star uses none, want `security"):
        load_keys(plain, "cam0", tmp_path / "keys")


def test_only_its_own_launcher_makes_a_node_fail():
    topology = two_hosts()
    operator = Operator(None, topology, nodes=nodes_of_host(topology, "site"))
    entry = {"node": "cloud", "kind": "kill", "at": {"sample": 0}}
    with pytest.raises(LaunchError, match=r"cloud: runs on host far, .*`ddnn fault cloud kill`"):
        operator.begin(parse_failure(entry))
