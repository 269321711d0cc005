"""Somebody else's ONNX model as a frozen section."""

import numpy as np
import onnx
import pytest
import torch
from networks import offline
from onnx import TensorProto, helper, numpy_helper
from tiny import make_topology

from ddnn.bundle.load import load_bundle
from ddnn.errors import ConfigError
from ddnn.model.measured import measured
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import Topology, read_topology
from ddnn.training.fit import prepare, run_epoch
from ddnn.training.run import open_run, train_run
from ddnn.training.settings import settings_for
from ddnn.yamlfile import to_yaml

SETTINGS = settings_for("robust", epochs=1, batch=16)


def write_model(path, *, opset=13, batch="batch", domain="", flat=False):
    """A convolution of 3 to 4 filters and a ReLU, as an old exporter writes it."""
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["maps"], domain=domain),
    ]
    shape = [batch, 4, 4, 4]
    if flat:
        nodes.append(helper.make_node("Flatten", ["maps"], ["row"], axis=1))
        shape = [batch, 64]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("row" if flat else "maps", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def with_file(file, *more) -> Topology:
    document = make_topology().model_dump(mode="json")
    blocks = [{"kind": "onnx", "file": str(file)}, *more]
    document["tiers"][0]["section"] = {"blocks": blocks, "feature_bits": 2}
    return Topology.model_validate(document)


@pytest.mark.parametrize("flat", [False, True], ids=["maps", "vectors"])
def test_what_lies_above_it_is_trained_and_the_bundle_holds_it(card, tmp_path, flat):
    path = tmp_path / "foreign.onnx"
    write_model(path, flat=flat)
    topology = with_file(path, {"kind": "fc", "units": 6})
    run = train_run(tmp_path / "run", topology, card, SETTINGS)
    path.unlink()
    run, bundle = open_run(tmp_path / "run"), load_bundle(tmp_path / "run")
    samples = run.load_data().samples
    here, there = run_inprocess(bundle, samples.views), offline(run.joint, bundle, samples)
    np.testing.assert_array_equal(here.predicted_N, there.predicted_N)
    assert bundle.manifest.training["equality"]["verdicts_equal"] == 1.0
    block = bundle.topology.section("cam0").blocks[0]
    assert block.measured.shape == ((64, 1, 1) if flat else (4, 4, 4))
    opset = onnx.load(bundle.section_path("cam0")).opset_import[0].version
    assert opset == 18


def test_its_weights_stay_and_those_above_learn(data, tmp_path):
    write_model(tmp_path / "foreign.onnx")
    topology = measured(with_file(tmp_path / "foreign.onnx", {"kind": "conv", "filters": 2}))
    training = prepare(data, topology, SETTINGS, seed=0)
    section = training.joint.sections["cam0"]
    before = section.blocks[1].conv.weight.detach().clone()
    run_epoch(training, 0)
    assert not torch.equal(section.blocks[1].conv.weight, before)
    assert section.blocks[0].model() == (tmp_path / "foreign.onnx").read_bytes()


def test_nothing_below_it_can_learn(data, tmp_path):
    write_model(tmp_path / "foreign.onnx")
    document = with_file(tmp_path / "foreign.onnx").model_dump(mode="json")
    blocks = document["tiers"][0]["section"]["blocks"]
    blocks.insert(0, {"kind": "convp", "filters": 3, "pool_stride": 1})
    topology = measured(Topology.model_validate(document))
    training = prepare(data, topology, SETTINGS, seed=0)
    with pytest.raises(ConfigError, match=r"foreign\.onnx: is frozen, and what lies below it"):
        run_epoch(training, 0)


def test_the_file_lies_beside_the_topology(tmp_path):
    write_model(tmp_path / "foreign.onnx")
    (tmp_path / "mine.yaml").write_text(to_yaml(with_file("foreign.onnx").model_dump(mode="json")))
    topology = measured(read_topology(tmp_path / "mine.yaml"))
    assert topology.feature_shape("cam0") == (4, 4, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 1}, "want float32 and a free batch"),
        ({"domain": "strange"}, "not an ONNX model"),
    ],
)
def test_a_model_that_no_device_can_run_is_refused(tmp_path, options, said):
    path = tmp_path / "foreign.onnx"
    write_model(path, **options)
    with pytest.raises(ConfigError, match=f"foreign.onnx: .*{said}"):
        measured(with_file(path))


def test_a_file_that_is_not_there_or_changed_is_refused(tmp_path, data):
    path = tmp_path / "foreign.onnx"
    with pytest.raises(
        ConfigError, match=r"foreign\.onnx: No such file or directory, want an ONNX"
    ):
        measured(with_file(path))
    write_model(path)
    topology = measured(with_file(path))
    write_model(path, opset=14)
    with pytest.raises(ConfigError, match=r"foreign\.onnx: changed since it was measured"):
        prepare(data, topology, SETTINGS, seed=0)
    path.write_bytes(b"no model")
    with pytest.raises(ConfigError, match=r"foreign\.onnx: "):
        measured(with_file(path))
