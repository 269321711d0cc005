"""An endpoint means one machine and one port, however it is written."""

import pytest
from builders import star
from click.testing import CliRunner

from ddnn.addresses import is_loopback, parse_endpoint
from ddnn.cli.topology import command
from ddnn.errors import ConfigError
from ddnn.topology import COLLECTOR, Topology

SAME = [
    ("tcp://127.0.0.1:20001", "tcp://127.0.0.1:020001"),
    ("tcp://127.0.0.1:20001", "tcp://localhost:20001"),
    ("tcp://127.0.0.1:20001", "tcp://LocalHost.:20001"),
    ("tcp://localhost:20001", "tcp://[::1]:20001"),
    ("tcp://[::1]:20001", "tcp://[0:0:0:0:0:0:0:1]:20001"),
    ("tcp://127.0.0.1:20001", "tcp://[::ffff:127.0.0.1]:20001"),
    ("tcp://10.0.0.7:20001", "tcp://[::ffff:a00:7]:20001"),
    ("tcp://cam.example.org:20001", "tcp://CAM.Example.org.:20001"),
    ("tcp://127.0.0.1:20001", "tcp://0.0.0.0:20001"),
    ("tcp://10.0.0.7:20001", "tcp://*:20001"),
    ("tcp://localhost:20001", "tcp://[::]:020001"),
    ("tcp://0.0.0.0:20001", "tcp://[::]:20001"),
]
APART = [
    ("tcp://127.0.0.1:20001", "tcp://127.0.0.2:20001"),
    ("tcp://localhost:20001", "tcp://127.0.0.2:20001"),
    ("tcp://127.0.0.1:20001", "tcp://[::1]:20001"),
    ("tcp://127.0.0.1:20001", "tcp://127.0.0.1:2001"),
    ("tcp://cam0.example.org:20001", "tcp://cam1.example.org:20001"),
    ("tcp://10.0.0.7:20001", "tcp://10.0.0.8:20001"),
]


def placed(first: str, second: str) -> Topology:
    """Two cameras at these addresses."""
    document = star(2)
    document["nodes"]["cam0"]["endpoint"] = first
    document["nodes"]["cam1"]["endpoint"] = second
    return Topology.model_validate(document)


@pytest.mark.parametrize(("first", "second"), [*SAME, *(pair[::-1] for pair in SAME)])
def test_one_address_in_two_spellings_is_refused_with_both_nodes(first, second):
    with pytest.raises(ConfigError) as caught:
        placed(first, second)
    message = str(caught.value)
    assert message.startswith(f"nodes.cam1.endpoint: {second} ")
    assert "cam0's" in message
    assert first in message
    assert "\n" not in message


@pytest.mark.parametrize(("first", "second"), APART)
def test_two_addresses_are_two(first, second):
    assert placed(first, second).endpoint("cam1") == second


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:9", "tcp://[::]:9", "tcp://*:9"])
@pytest.mark.parametrize("node", ["cam0", "gateway", "cloud"])
def test_what_can_only_be_listened_at_is_no_address(endpoint, node):
    document = star(2)
    document["nodes"][node]["endpoint"] = endpoint
    said = f"^nodes.{node}.endpoint: got '.*', which can only be listened at; want the address at"
    with pytest.raises(ConfigError, match=said):
        Topology.model_validate(document)


def test_the_same_port_on_different_hosts_is_fine():
    document = star(2)
    for number, place in enumerate((document["collector"], *document["nodes"].values())):
        place |= {"host": f"host{number}", "endpoint": f"tcp://10.0.0.{number + 1}:20001"}
    topology = Topology.model_validate(document)
    ends = [topology.endpoint(name) for name in (COLLECTOR, *topology.nodes)]
    assert ends == [f"tcp://10.0.0.{number + 1}:20001" for number in range(5)]


@pytest.mark.parametrize(
    ("endpoint", "wanted"),
    [
        ("127.0.0.1:5000", "want tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1", "want tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1:", "want tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1:５０００", "want tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1:-1", "want tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1:5000/x", "want tcp://ADDRESS:PORT"),
        ("tcp://me@127.0.0.1:5000", "want tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1:0", "want a port from 1 to 65535"),
        ("tcp://127.0.0.1:65536", "want a port from 1 to 65535"),
        ("tcp://127.1:5000", "want an IPv4 address of four numbers"),
        ("tcp://127.0.0.01:5000", "want an IPv4 address of four numbers"),
        ("tcp://127.0.0.256:5000", "want an IPv4 address of four numbers"),
        ("tcp://2130706433:5000", "want an IPv4 address of four numbers"),
        ("tcp://0x7f000001:5000", "want an IPv4 address of four numbers"),
        ("tcp://224.0.0.1:5000", "no machine can have this address"),
        ("tcp://255.255.255.255:5000", "no machine can have this address"),
        ("tcp://0.1.2.3:5000", "no machine can have this address"),
        ("tcp://[ff02::1]:5000", "no machine can have this address"),
        ("tcp://[fe80::1%eth0]:5000", "a link's own address means another machine on each link"),
        ("tcp://[fe80::1]:5000", "a link's own address means another machine on each link"),
        ("tcp://[1::2::3]:5000", "want an IPv6 address in the brackets"),
        ("tcp://[]:5000", "want an IPv6 address in the brackets"),
        ("tcp://-cam:5000", "want an address or a host's name"),
        ("tcp://cam-.org:5000", "want an address or a host's name"),
        ("tcp://cam..org:5000", "want an address or a host's name"),
        ("tcp://.:5000", "want an address or a host's name"),
        (f"tcp://{'a' * 64}:5000", "want an address or a host's name"),
    ],
)
def test_what_names_no_machine_and_port_is_refused(endpoint, wanted):
    with pytest.raises(ConfigError) as caught:
        parse_endpoint(endpoint)
    assert str(caught.value).startswith(f"got {endpoint!r}, {wanted}")


@pytest.mark.parametrize(
    ("endpoint", "wanted"),
    [
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.9.9.9:1", True),
        ("tcp://localhost:1", True),
        ("tcp://LOCALHOST.:1", True),
        ("tcp://[::1]:1", True),
        ("tcp://[::ffff:127.0.0.1]:1", True),
        ("tcp://0.0.0.0:1", False),
        ("tcp://192.168.1.4:1", False),
        ("tcp://[fd00::1]:1", False),
        ("tcp://localhost.example.org:1", False),
        ("tcp://127.example.org:1", False),
    ],
)
def test_loopback_addresses_are_known(endpoint, wanted):
    assert is_loopback(endpoint) == wanted


def test_the_command_names_both_nodes(tmp_path):
    text = (
        "name: two\nclasses: [cat, dog]\nview: {channels: 1, height: 8, width: 8}\n"
        "tiers:\n"
        "  - {name: device, section: {blocks: [{kind: convp, filters: 2}]}}\n"
        "  - name: cloud\n"
        "    section: {blocks: [{kind: convp, filters: 2}]}\n"
        "    exit: {at: cloud}\n"
        "collector: {endpoint: tcp://127.0.0.1:6600}\n"
        "nodes:\n"
        "  cam0: {role: device, view: 0, parent: cloud, endpoint: tcp://localhost:6601}\n"
        "  cloud: {role: cloud, endpoint: tcp://127.0.0.1:06601}\n"
    )
    path = tmp_path / "two.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        CliRunner().invoke(command, ["check", str(path)], catch_exceptions=False)
    assert str(caught.value).startswith(f"{path}: nodes.cloud.endpoint: tcp://127.0.0.1:06601 ")
    assert "cam0's tcp://localhost:6601" in str(caught.value)
