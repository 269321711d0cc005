"""A batch of one in bound buffers beside the same rows in a batch. N samples."""

from pathlib import Path

import numpy as np
import pytest
from builders import star_topology
from networks import Trained, Trainer
from onnx import NodeProto, TensorProto, helper

from ddnn.nodes.engine import AT_ONCE, Engine


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    return Trainer(tmp_path_factory.mktemp("bundles"))(star_topology(), 16)


def engine_of(trained: Trained) -> tuple[Engine, np.ndarray]:
    return Engine(trained.bundle.section_path("cam1")), trained.samples.views_NVCHW[:, 1]


def test_one_row_gives_what_it_gives_among_others(trained):
    """Sums of signs are whole, so that not even their order matters."""
    engine, views_NCHW = engine_of(trained)
    together = engine.run({"views": views_NCHW})
    for row in range(len(views_NCHW)):
        alone = engine.run({"views": views_NCHW[row : row + 1]})
        np.testing.assert_array_equal(alone["features"][0], together["features"][row])
        np.testing.assert_allclose(alone["scores"][0], together["scores"][row], atol=1e-5)


def test_what_was_returned_stays_when_the_next_row_is_run(trained):
    engine, views_NCHW = engine_of(trained)
    first = engine.run({"views": views_NCHW[:1]})
    kept = {name: values.copy() for name, values in first.items()}
    engine.run({"views": 255 - views_NCHW[:1]})
    for name, values in first.items():
        np.testing.assert_array_equal(values, kept[name])


def test_engines_of_one_file_share_no_buffer(trained):
    one, views_NCHW = engine_of(trained)
    other, _ = engine_of(trained)
    wanted = one.run({"views": views_NCHW[:1]})
    other.run({"views": 255 - views_NCHW[:1]})
    np.testing.assert_array_equal(one.run({"views": views_NCHW[:1]})["scores"], wanted["scores"])


def made(nodes: list[NodeProto], folder: Path, **outputs: list[str | int]) -> Engine:
    """A model of one input x (N, 1)."""
    shapes = {"x": ["N", 1]} | outputs
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in shapes.items()
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", values[:1], values[1:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (folder / "made.onnx").write_bytes(model.SerializeToString())
    return Engine(folder / "made.onnx")


@pytest.mark.parametrize("rows", [1, AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 3])
def test_what_has_no_row_a_sample_comes_as_it_is(rows, tmp_path):
    """A single number and a table of three, beside the rows."""
    nodes = [
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Constant", [], ["table"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Add", ["x", "one"], ["y"]),
    ]
    engine = made(nodes, tmp_path, y=["N", 1], one=[], table=[3])
    found = engine.run({"x": np.zeros((rows, 1), np.float32)})
    assert {name: values.shape for name, values in found.items()} == {
        "y": (rows, 1), "one": (), "table": (3,),
    }  # fmt: skip
    np.testing.assert_array_equal(found["table"], [1, 2, 3])


def test_however_many_rows_come_no_run_takes_more_than_a_few(tmp_path):
    """What ONNX Runtime takes for its largest run it keeps. The model tells each row how many there
    were."""
    nodes = [
        helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
        helper.make_node("Cast", ["rows"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "count"], ["y"]),
    ]
    engine = made(nodes, tmp_path, y=["N", 1])
    for rows in (1, AT_ONCE, AT_ONCE + 1, 64):
        told = engine.run({"x": np.zeros((rows, 1), np.float32)})["y"]
        assert (len(told), told.max()) == (rows, min(rows, AT_ONCE))


def test_several_inputs_are_told_apart_by_name(trained):
    engine = Engine(trained.bundle.section_path("cloud"))
    rng = np.random.default_rng(0)
    shape = star_topology().feature_shape("cam0")
    inputs = {
        f"features_{place}": rng.choice([-1, 1], (2, *shape)).astype(np.float32)
        for place in range(3)
    }
    inputs["present"] = np.array([[1, 0, 1], [1, 1, 1]], dtype=np.float32)
    together = engine.run(inputs)
    for row in range(2):
        alone = engine.run({name: values[row : row + 1] for name, values in inputs.items()})
        np.testing.assert_allclose(alone["scores"][0], together["scores"][row], atol=1e-5)
