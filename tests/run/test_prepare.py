"""Before anything starts."""

import pytest
from builders import star_topology

from ddnn.errors import TransportError
from ddnn.run.prepare import check_ports, free_endpoints


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
