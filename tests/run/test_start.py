"""Before anything starts."""

import socket
import sys
from contextlib import ExitStack

import pytest
from builders import star_topology

from ddnn.addresses import parse_endpoint
from ddnn.errors import TransportError
from ddnn.run.launcher.start import check_ports, free_endpoints


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("tcp://192.0.2.1:4000", "cannot listen at 192.0.2.1:4000, .* want an address of this mac"),
        ("tcp://no.such.invalid:4000", "no.such.invalid:4000 is unknown here"),
    ],
    ids=["foreign address", "unknown name"],
)
def test_an_address_that_is_not_of_this_machine_is_named_with_its_node(endpoint, said):
    """192.0.2.0/24 and .invalid are nobody's: RFC 5737, RFC 2606."""
    topology = star_topology(2)
    topology = topology.with_endpoints(free_endpoints(topology) | {"cam1": endpoint})
    with pytest.raises(TransportError, match=f"^cam1: {said}"):
        check_ports(topology, topology.nodes)


def test_free_ports_can_be_had():
    topology = star_topology(2)
    endpoints = free_endpoints(topology)
    check_ports(topology.with_endpoints(endpoints), topology.nodes)
    assert len(set(endpoints.values())) == len(topology.nodes) + 1


def test_two_names_of_one_address_are_told_once_they_are_resolved():
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine does not know its own name")
    if name.startswith("localhost"):
        pytest.skip("this machine has no name of its own")
    endpoints = free_endpoints(star_topology(2))
    port = parse_endpoint(endpoints["cam0"]).port
    endpoints |= {"cam0": f"tcp://{address}:{port}", "cam1": f"tcp://{name}:{port}"}
    topology = star_topology(2).with_endpoints(endpoints)
    said = f"^cam1: {name}:{port} is {address}:{port} here, and so is cam0's {address}:{port}; want"
    with pytest.raises(TransportError, match=said):
        check_ports(topology, topology.nodes)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone keeps a port for who comes later")
def test_free_ports_are_kept_from_others_until_their_launch_is_over():
    """A node can listen there all the while; the system finds them free for nobody else."""
    with ExitStack() as stack:
        port = parse_endpoint(free_endpoints(star_topology(2), stack)["cam0"]).port
        with socket.create_server(("127.0.0.1", port)):
            pass
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
