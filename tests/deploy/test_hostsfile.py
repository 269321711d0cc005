"""The hosts file: strict, and complete for a topology."""

from pathlib import Path

import pytest
from builders import star_topology

from ddnn.deploy.hostsfile import Hosts, read_hosts
from ddnn.errors import ConfigError
from ddnn.topology import Topology


def three_hosts() -> Topology:
    document = star_topology(2).model_dump(mode="json")
    document["collector"]["host"] = "site"
    for name, node in document["nodes"].items():
        node["host"] = {"cloud": "cloud", "gateway": "site"}.get(name, "north")
    return Topology.model_validate(document)


def read(tmp_path: Path, text: str) -> Hosts:
    path = tmp_path / "hosts.yaml"
    path.write_text(text)
    return read_hosts(path, three_hosts())


def test_what_holds_for_all_can_be_said_otherwise_for_one(tmp_path):
    (tmp_path / "own").touch()
    hosts = read(
        tmp_path,
        "all: {user: ddnn, key: own, python: /opt/bin/python}\n"
        "hosts: {north: {address: n.example}, cloud: {address: b, user: root, port: 2222}}\n",
    ).hosts
    assert list(hosts) == ["north", "cloud"]  # the collector's is this machine
    north, cloud = hosts["north"], hosts["cloud"]
    assert (north.user, cloud.user, cloud.port) == ("ddnn", "root", 2222)
    assert north.key == str(tmp_path / "own")
    assert north.known_hosts == str(Path("~/.ssh/known_hosts").expanduser())
    assert (north.folder, cloud.folder) == ("ddnn/star/north", "ddnn/star/cloud")
    assert north.service == "systemd"


BOTH = "hosts: {north: {address: a}, cloud: {address: b}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts: {north: {address: a}}", "hosts: no cloud, want each of site, north, cloud"),
        (BOTH.replace("north", "nord"), "hosts.nord: topology star has no such host"),
        (BOTH.replace("{address: a}", "{}"), "hosts.north.address"),
        (BOTH.replace("address: a", "address: a, sevice: process"), "hosts.north.sevice"),
        (BOTH.replace("address: a", "address: a, service: docker"), "hosts.north.service"),
        (
            BOTH.replace("address: a", "address: a, key: gone"),
            r"hosts.north.key: \S+/gone: no such",
        ),
        ("all: 3\n" + BOTH, "all: got 3"),
        ("all: {sevice: process}\n" + BOTH, "sevice"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path, text, said):
    with pytest.raises(ConfigError, match=rf"hosts\.yaml: .*{said}"):
        read(tmp_path, text)


VIDEO = "{kind: video, url: 'rtsp://viewer:${CAM_PASSWORD}@10.0.0.9/stream'}"
NORTH = f"devices: {{cam0: {VIDEO}, cam1: {VIDEO}}}\n"


def test_sources_of_hosts_that_need_them_make_it_a_live_one(tmp_path):
    """Neither secrets nor folders of another host are looked for here."""
    folder = "{kind: folder, path: /srv/cam1}"
    north = f"secrets: /etc/ddnn/north.env\ndevices: {{cam0: {VIDEO}, cam1: {folder}}}\n"
    (tmp_path / "north.yaml").write_text(north)
    (tmp_path / "site.yaml").write_text("sample: {every_ms: 100}\n")
    found = read(tmp_path, BOTH + "sources: {north: north.yaml, site: site.yaml}\n")
    assert found.sources == {name: str(tmp_path / f"{name}.yaml") for name in ("north", "site")}


@pytest.mark.parametrize(
    ("sources", "north", "said"),
    [
        ("north: north.yaml", NORTH, "sources: no site, which has the collector"),
        ("site: site.yaml", NORTH, "sources: no north, which has devices"),
        ("cloud: site.yaml", NORTH, "sources.cloud: no host with devices"),
        ("north: north.yaml, site: site.yaml", "devices: {}", "north.yaml: devices: no cam0"),
        (
            "north: north.yaml, site: site.yaml",
            "secrets: north.env\n" + NORTH,
            "secrets: got 'north.env', want a whole path on that host",
        ),
        (
            "north: north.yaml, site: site.yaml",
            NORTH.replace("${CAM_PASSWORD}", "secret"),
            "a password in the file",
        ),
    ],
)
def test_a_host_without_its_sources_is_named(tmp_path, sources, north, said):
    (tmp_path / "north.yaml").write_text(north)
    (tmp_path / "site.yaml").write_text("sample: {every_ms: 100}\n")
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, BOTH + f"sources: {{{sources}}}\n")
