"""What runs where, and what may listen there."""

import socket
from pathlib import Path

import pytest
from builders import star, star_topology

from ddnn.addresses import parse_endpoint
from ddnn.errors import ConfigError, LaunchError
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.plan import parse_failure
from ddnn.run.hosts import (
    check_exposure,
    check_host,
    check_names,
    check_reachable,
    nodes_of_host,
)
from ddnn.run.sockets import load_keys
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair


def two_hosts(*, address: str = "127.0.0.1", curve: bool = False) -> Topology:
    document = star(2, security={"curve": curve})
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cloud" else "site"
    document["collector"]["host"] = "site"
    if address != "127.0.0.1":
        for place in (document["collector"], *document["nodes"].values()):
            place["endpoint"] = place["endpoint"].replace("127.0.0.1", "10.0.0.8")
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
    with pytest.raises(ConfigError, match=r"collector at tcp://10\.0\.0\.8:20000: want --host"):
        check_host(two_hosts(address="10.0.0.9"), None)


def with_loopback(*names: str) -> Topology:
    """Two hosts that know each other's addresses, but for these nodes at loopback ones."""
    topology = two_hosts(address="10.0.0.9")
    ports = {name: parse_endpoint(topology.endpoint(name)).port for name in names}
    return topology.with_endpoints({n: f"tcp://localhost:{port}" for n, port in ports.items()})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "collector",
            r"collector\.endpoint: got 'tcp://localhost:20000', which cloud on host far ",
        ),
        (
            "cloud",
            r"nodes\.cloud\.endpoint: got .*, which cam0 on host site cannot reach; want an ",
        ),
    ],
)
def test_an_address_that_another_host_would_take_for_its_own_is_refused(name, said):
    with pytest.raises(ConfigError, match=f"^mine: {said}"):
        check_reachable(with_loopback(name), source="mine")
    with pytest.raises(ConfigError, match=f"^topology star: {said}"):
        check_host(with_loopback(name), "site")


def test_two_names_of_one_machine_are_looked_up_where_they_have_one_port():
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine does not know its own name")
    if name.startswith("localhost"):
        pytest.skip("this machine has no name of its own")
    ends = {"cam0": f"tcp://{address}:20001", "cam1": f"tcp://{name}:20001"}
    with pytest.raises(
        ConfigError, match=f"^mine: nodes.cam1.endpoint: .*cam0's .* are both {address} "
    ):
        check_names(star_topology(2).with_endpoints(ends), source="mine")


def test_names_that_nobody_knows_are_let_pass_as_far_as_they_differ():
    unknown = {"cam0": "tcp://no.such.invalid:20001", "cam1": "tcp://nor.this.invalid:20001"}
    check_names(star_topology(2).with_endpoints(unknown), source="mine")
    check_names(two_hosts(address="10.0.0.9"), source="mine")
    with pytest.raises(ConfigError, match="is already cam0's, want another"):
        star_topology(2).with_endpoints(dict.fromkeys(unknown, unknown["cam0"]))


def test_loopback_serves_nodes_whose_peers_are_all_on_their_host():
    check_reachable(with_loopback("cam0", "cam1", "gateway"), source="mine")
    with pytest.raises(ConfigError, match="which cam0 on host site cannot reach"):
        check_reachable(with_loopback("cam0", "cam1", "gateway", "cloud"), source="mine")


def test_nobody_listens_to_other_machines_without_curve_unless_told_to():
    check_exposure(two_hosts(), insecure=False)
    check_exposure(two_hosts(address="10.0.0.9", curve=True), insecure=False)
    check_exposure(two_hosts(address="10.0.0.9"), insecure=True)
    with pytest.raises(ConfigError, match=r"^collector: tcp://10\.0\.0\.8:20000 is open .*--insec"):
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
