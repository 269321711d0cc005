"""The same network elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from builders import patient, star, star_topology
from networks import Trained, Trainer

from ddnn.bundle.place import place_bundle
from ddnn.errors import BundleError, ConfigError
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import Topology, read_topology


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    return Trainer(tmp_path_factory.mktemp("whole"))(star_topology(2), 30)


def elsewhere() -> Topology:
    document = patient(star_topology(2), seconds=9).model_dump(mode="json")
    for name, node in document["nodes"].items():
        node["endpoint"] = node["endpoint"].replace("127.0.0.1", "10.0.0.1")
        node["host"] = name
        node["pack"] = True
    link = {"from": "cam0", "to": "cloud", "latency_ms": 3}
    return Topology.model_validate(document | {"links": [link], "security": {"curve": True}})


def test_the_same_network_answers_the_same_elsewhere(trained, tmp_path):
    placed = place_bundle(trained.bundle.folder, elsewhere(), tmp_path / "placed")
    assert placed.topology == elsewhere()
    assert placed.session != trained.bundle.session
    assert placed.manifest.exits == trained.bundle.manifest.exits
    views = trained.samples.views_NVCHW
    here, there = run_inprocess(trained.bundle, views), run_inprocess(placed, views)
    for name in ("predicted_N", "exit_N", "entropy_N"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


def other_filters(document: dict) -> None:
    section = document["tiers"][0]["section"]
    document["tiers"][0]["section"] = section | {"blocks": [{"kind": "convp", "filters": 3}]}


def other_classes(document: dict) -> None:
    document["classes"] = ["a", "b", "c"]


def other_aggregator(document: dict) -> None:
    document["tiers"][0]["exit"]["aggregator"] = "average"


def other_maps(document: dict) -> None:
    document["tiers"][1]["aggregator"] = "max"


def more_devices(document: dict) -> None:
    node = {"role": "device", "view": 2, "parent": "cloud", "endpoint": "tcp://127.0.0.1:9"}
    document["nodes"]["cam2"] = node


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_filters, r"tiers\.0\.section"),
        (other_classes, "classes"),
        (other_aggregator, r"tiers\.0\.exit"),
        (other_maps, r"tiers\.1\.aggregator"),
        (more_devices, r"nodes\.cam2"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_another_network_is_refused_by_its_first_difference(trained, tmp_path, change, said):
    document = star(2)
    change(document)
    topology = Topology.model_validate(document)
    with pytest.raises(ConfigError, match=f"^{said} of the new topology: got .+, the network"):
        place_bundle(trained.bundle.folder, topology, tmp_path / "placed")
    assert not (tmp_path / "placed").exists()


def test_another_files_thresholds_are_not_taken_over(trained, tmp_path):
    """Those of the bundle were calibrated."""
    document = star(2)
    document["tiers"][0]["exit"]["threshold"] = 0.123
    topology = Topology.model_validate(document)
    placed = place_bundle(trained.bundle.folder, topology, tmp_path / "placed")
    assert placed.manifest.exits == trained.bundle.manifest.exits


def test_edges_in_another_order_are_another_network(tmp_path):
    document = patient(read_topology("f-edges-cloud"), seconds=9).model_dump(mode="json")
    whole = Trainer(tmp_path / "whole")(Topology.model_validate(document), 4)
    nodes = document["nodes"]
    for name in ("edge0", "edge1"):
        nodes[name] = nodes.pop(name)
    place_bundle(whole.bundle.folder, Topology.model_validate(document), tmp_path / "same")
    nodes["edge0"] = nodes.pop("edge0")
    with pytest.raises(ConfigError, match=r"^nodes: order of cloud's children of the new topology"):
        place_bundle(whole.bundle.folder, Topology.model_validate(document), tmp_path / "other")


def test_nothing_is_overwritten(trained, tmp_path: Path):
    (tmp_path / "placed").mkdir()
    (tmp_path / "placed/notes").write_text("mine")
    with pytest.raises(BundleError, match=r"placed: exists, want a new folder"):
        place_bundle(trained.bundle.folder, elsewhere(), tmp_path / "placed")
