"""docker-compose.yaml: one service a node, each with its own part, keys and views."""

import socket
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders import random_views, star_topology
from networks import Trainer

from ddnn.bundle.compose import DOCKERFILE, NOBODY, compose_folder, in_containers, owner
from ddnn.bundle.load import load_bundle
from ddnn.data.loading import load
from ddnn.errors import BundleError, ConfigError, DataError
from ddnn.topology import Topology
from ddnn.wire.keys import KeyPair, read_keys
from ddnn.yamlfile import to_yaml

REPOSITORY = Path(__file__).parents[2]


def make_pair() -> KeyPair:
    """Keys that nobody opens a socket with; no two alike."""
    make_pair.count += 1
    return KeyPair(f"{make_pair.count:040}", f"{make_pair.count:040}")


make_pair.count = 0


def limited(**changes) -> Topology:
    """Two devices; the first has limits, the gateway comes back three times, the cloud always."""
    document = star_topology(2, **changes).model_dump(mode="json")
    document["nodes"]["cam0"]["limits"] = {"cpu": 0.5, "memory_mb": 512}
    document["nodes"]["cam1"]["restart"] = 0  # never, which Docker says otherwise
    document["nodes"]["gateway"]["restart"] = 3
    document["nodes"]["cloud"]["restart"] = "always"
    return Topology.model_validate(document)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Trainer(tmp_path_factory.mktemp("trained"))(limited(security={"curve": True}), 30)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("docker") / "out"
    compose_folder(trained.bundle.folder, trained.samples, out, make_pair)
    return out


@pytest.fixture(scope="module")
def services(folder) -> dict:
    return yaml.safe_load((folder / "docker-compose.yaml").read_text())["services"]


def test_every_node_and_the_collector_is_a_service_that_sees_its_own_folder_alone(services):
    assert list(services) == ["collector", "cam0", "cam1", "gateway", "cloud"]
    for name, service in services.items():
        assert service["volumes"] == [f"./{name}:/ddnn:{'rw' if name == 'collector' else 'ro'}"]
        assert "ports" not in service


def test_endpoints_are_service_names_with_the_topologys_ports(folder, trained):
    placed, own = load_bundle(folder / "cam1/bundle", ()).topology, trained.bundle.topology
    for name in ("cam0", "cam1", "gateway", "cloud", "collector"):
        assert placed.endpoint(name) == f"tcp://{name}:{own.endpoint(name).rsplit(':')[-1]}"
        assert placed.host(name) == name


def test_a_node_gets_its_own_part_of_the_bundle_and_its_own_key(folder):
    names = ("collector", "cam0", "cam1", "gateway", "cloud")
    for name in names[1:]:
        load_bundle(folder / name / "bundle", [name])
        with pytest.raises(BundleError):
            load_bundle(folder / name / "bundle")
    for name in names:
        assert {path.name for path in (folder / name / "keys").iterdir()} == {
            "public.json", f"{name}.key",
        }  # fmt: skip
        read_keys(folder / name / "keys", name, names)


def test_devices_get_their_own_views_and_only_the_collector_the_labels(folder, trained):
    samples = trained.samples
    for view, name in enumerate(("cam0", "cam1")):
        np.testing.assert_array_equal(
            np.load(folder / name / "views.npy"), samples.views_NVCHW[:, view]
        )
    copy = load(folder / "collector/data/card.yaml").samples
    np.testing.assert_array_equal(copy.views_NVCHW, samples.views_NVCHW)
    np.testing.assert_array_equal(copy.fused_labels_N, samples.fused_labels_N)
    found = {path.relative_to(folder).parts[0] for path in folder.rglob("*.np[yz]")}
    assert found == {"cam0", "cam1", "collector"}


def test_limits_and_restarts_become_dockers(services):
    assert (services["cam0"]["cpus"], services["cam0"]["mem_limit"]) == (0.5, 512_000_000)
    assert "cpus" not in services["cam1"]
    restarts = {name: s["restart"] for name, s in services.items() if name != "collector"}
    assert restarts == {
        "cam0": "no", "cam1": "no", "gateway": "on-failure:3", "cloud": "on-failure",
    }  # fmt: skip


def test_no_service_is_root_or_can_write_or_gain_anything(folder, services):
    user, group = owner()
    assert user != 0
    for name, service in services.items():
        assert service["user"] == f"{user}:{group}"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert (folder / name / "keys" / f"{name}.key").stat().st_uid == user  # it can read it
    assert f"USER {NOBODY}:{NOBODY}" in (folder / DOCKERFILE).read_text().splitlines()


def test_a_node_is_healthy_while_it_listens(services):
    health = services["cam1"]["healthcheck"]["test"]
    assert health[:3] == ["CMD", "python", "-c"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        looks = health[3].replace("'cam1', 20002", f"'127.0.0.1', {port}")
        exec(looks)
    with pytest.raises(ConnectionRefusedError):
        exec(looks)
    assert "healthcheck" not in services["collector"]


def test_without_curve_nothing_has_keys_and_every_service_says_insecure(tmp_path):
    trained = Trainer(tmp_path / "trained")(limited(), 30)
    compose_folder(trained.bundle.folder, trained.samples, tmp_path / "out", make_pair)
    document = yaml.safe_load((tmp_path / "out/docker-compose.yaml").read_text())
    for service in document["services"].values():
        assert "--insecure" in service["command"]
        assert "--keys" not in service["command"]
    assert not list((tmp_path / "out").rglob("keys"))


def test_the_image_copies_what_exists_and_holds_no_keys(folder):
    lines = (folder / DOCKERFILE).read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    assert copied
    assert all((REPOSITORY / name).exists() for name in copied)


def test_what_is_in_the_way_or_does_not_fit_leaves_nothing_behind(trained, folder, tmp_path):
    bundle = trained.bundle.folder
    with pytest.raises(BundleError, match="want a new folder"):
        compose_folder(bundle, trained.samples, folder, make_pair)
    refused_by_the_collector = r"none of the 1 samples, .* more --samples"
    with pytest.raises(DataError, match=refused_by_the_collector):
        compose_folder(bundle, trained.samples.take(np.arange(1)), tmp_path / "new", make_pair)
    with pytest.raises(ConfigError, match="topology star wants 2"):
        compose_folder(bundle, random_views(star_topology(3), 30), tmp_path / "new", make_pair)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_host_can_have_is_refused():
    document = star_topology(2).model_dump(mode="json")
    document["nodes"]["cam_1"] = document["nodes"].pop("cam1")
    with pytest.raises(ConfigError, match="cam_1"):
        in_containers(Topology.model_validate(document))


def test_what_is_written_as_yaml_reads_as_it_was():
    document = {"name": "no", "1": ["on-failure:3", "yes", 0.5, {"ä": None}]}
    assert yaml.safe_load(to_yaml(document)) == document
