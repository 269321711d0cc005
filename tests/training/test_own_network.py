"""Modules of the user's, from training to a bundle that needs neither them nor torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import offline
from tiny import make_samples, make_topology

from ddnn.bundle.load import load_bundle
from ddnn.bundle.onnx_graph import OPSET
from ddnn.bundle.place import place_bundle
from ddnn.bundle.traced import traced
from ddnn.errors import BundleError, ConfigError
from ddnn.model.own_module import make_module
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import Shape, Topology
from ddnn.training.run import open_run, resume_run, train_run
from ddnn.training.settings import settings_for


def with_module(factory: str, **args) -> Topology:
    document = make_topology().model_dump(mode="json")
    block = {"kind": "module", "factory": factory, "args": args}
    document["tiers"][0]["section"] = {"blocks": [block], "feature_bits": 2}
    return Topology.model_validate(document)


SMALL = with_module("own_nets:small", channels=3)
SETTINGS = settings_for("robust", epochs=1, batch=16)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    """A run whose devices run a module."""
    folder = tmp_path_factory.mktemp("own")
    samples, split = make_samples(96), np.repeat([0, 1, 2], [48, 24, 24])
    np.savez(folder / "tiny.npz", X=samples.views_NVCHW, y=samples.labels_NV, split=split)
    card = folder / "tiny.yaml"
    card.write_text("kind: npz\npath: tiny.npz\nclasses: [red, green, blue]\nsplit: {by: file}\n")
    train_run(folder / "run", SMALL, card, SETTINGS)
    return folder / "run"


def test_the_bundle_answers_as_the_torch_network_does(run_folder):
    run, bundle = open_run(run_folder), load_bundle(run_folder)
    samples = run.load_data().samples
    here, there = run_inprocess(bundle, samples.views), offline(run.joint, bundle, samples)
    np.testing.assert_array_equal(here.predicted_N, there.predicted_N)
    np.testing.assert_array_equal(here.exit_N, there.exit_N)
    equality = bundle.manifest.training["equality"]
    assert equality["verdicts_equal"] == equality["scores_within"] == 1.0
    assert equality["largest_difference"] < 1e-4


def test_a_device_needs_neither_torch_nor_the_users_code(run_folder):
    program = f"""
import sys
from pathlib import Path
from ddnn.bundle.load import load_bundle
from ddnn.nodes.build import build_node
import numpy as np
bundle = load_bundle(Path({str(run_folder)!r}))
build_node("cam0", bundle, np.zeros((1, 3, 8, 8), np.uint8))
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{"torch", "own_nets", "onnx"}}))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""


def test_a_run_goes_on(run_folder):
    assert resume_run(run_folder, epochs=2).topology.unmeasured == frozenset()


def test_the_same_network_is_put_elsewhere_by_the_file_that_a_user_writes(run_folder, tmp_path):
    document = SMALL.model_dump(mode="json")
    for node in document["nodes"].values():
        node["endpoint"] = node["endpoint"].replace("127.0.0.1", "10.0.0.1")
    placed = place_bundle(run_folder, Topology.model_validate(document), tmp_path / "placed")
    assert placed.topology.feature_shape("cam0") == (4, 4, 4)
    document["tiers"][0]["section"]["blocks"][0]["args"] = {"channels": 3, "filters": 5}
    with pytest.raises(ConfigError, match=r"^tiers.0.section of the new topology"):
        place_bundle(run_folder, Topology.model_validate(document), tmp_path / "other")


def test_a_graph_that_parts_from_the_network_is_refused_with_the_layer(card, tmp_path):
    document = make_topology().model_dump(mode="json")
    same = {"kind": "module", "factory": "torch.nn:Conv2d"}
    same["args"] = {"in_channels": 3, "out_channels": 1, "kernel_size": 1}
    differs = {"kind": "module", "factory": "own_nets:Differs"}
    document["tiers"][0]["section"] = {"blocks": [same, differs]}
    topology = Topology.model_validate(document)
    with pytest.raises(BundleError, match=r"want 99% and 99.9%; they part at .*blocks.1.net.first"):
        train_run(tmp_path / "run", topology, card, SETTINGS)
    assert not (tmp_path / "run" / "bundle").exists()


@pytest.mark.parametrize("numbers", [1, 3])
def test_layers_that_give_no_row_a_sample_are_not_compared(numbers, card, tmp_path):
    topology = with_module("own_nets:Levelled", numbers=numbers)
    with pytest.raises(BundleError, match=r"they part at nodes.cam0: .*net.first"):
        train_run(tmp_path / "run", topology, card, SETTINGS)


@pytest.fixture
def noise(tmp_path) -> Path:
    """A card whose pixels take all values, so that some come to lie next to any step."""
    samples, split = make_samples(96), np.repeat([0, 1, 2], [48, 24, 24])
    views = np.random.default_rng(0).integers(0, 256, samples.views_NVCHW.shape, dtype=np.uint8)
    np.savez(tmp_path / "noise.npz", X=views, y=samples.labels_NV, split=split)
    card = tmp_path / "noise.yaml"
    card.write_text(
        "kind: npz\npath: noise.npz\nclasses: [red, green, blue]\nsplit: {by: file}\n", "utf-8"
    )
    return card


def nudged(nudge: float, bits: int) -> Topology:
    """Devices that give slightly more once they are exported, and a cloud that tells."""
    document = with_module("own_nets:Nudged", channels=3, nudge=nudge).model_dump(mode="json")
    document["tiers"][0]["section"]["feature_bits"] = bits
    document["tiers"][-1]["section"]["activation_bits"] = 32
    return Topology.model_validate(document)


def test_samples_are_set_aside_where_rounding_takes_a_value_across_a_step(noise, tmp_path):
    train_run(tmp_path / "run", nudged(1e-4, bits=2), noise, SETTINGS)
    equality = load_bundle(tmp_path / "run").manifest.training["equality"]
    assert equality["steps_crossed"] > 0
    assert equality["scores_within"] < 1


def test_rounding_does_not_explain_that_many_values_cross_a_step(noise, tmp_path):
    with pytest.raises(BundleError, match=r"want 99% and 99.9%; they part at .*: quantizer"):
        train_run(tmp_path / "run", nudged(1e-4, bits=8), noise, SETTINGS)


def test_what_exports_for_one_size_of_batch_is_refused(card, tmp_path):
    with pytest.raises(
        ConfigError, match=r"section\.blocks\.0: own_nets:OneSize: export: is for one"
    ):
        train_run(tmp_path / "run", with_module("own_nets:OneSize"), card, SETTINGS)


def test_a_graph_is_of_any_batch_and_names_layers_but_no_places():
    block = SMALL.tiers[0].section.blocks[0]
    model = traced(make_module(block), Shape(3, 8, 8), opset=OPSET)
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert first.dim_param
    assert not first.dim_value
    assert {node.name for node in model.graph.node} >= {"1", "2", "2.linear"}
    assert str(Path(__file__).parent).encode() not in model.SerializeToString()
    onnx.checker.check_model(model, full_check=True)
