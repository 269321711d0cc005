"""Modules of the user's in a topology. Axes: N samples, F filters, H, W."""

import sys

import pytest
import torch
from builders import star, star_topology

from ddnn.blocks import Measured, Module, Shape
from ddnn.errors import ConfigError
from ddnn.model.cost import section_bits
from ddnn.model.joint import Joint
from ddnn.model.measured import measured
from ddnn.model.own_module import ModuleBlock, find_factory, measure
from ddnn.report.drawing import draw
from ddnn.topology import Topology

SHAPE = Shape(1, 8, 8)


def module(factory: str, **args) -> Module:
    return Module(kind="module", factory=factory, args=args)


def with_modules(devices: int = 2, **section) -> Topology:
    """Modules in the devices' section and the cloud's exit; 2 bits travel."""
    document = star(devices)
    block = {"kind": "module", "factory": "own_nets:small", "args": {"channels": 1}}
    document["tiers"][0]["section"] = {"blocks": [block], "feature_bits": 2, **section}
    document["tiers"][1]["exit"]["blocks"] = [
        {"kind": "module", "factory": "torch.nn:Conv2d", "args": CLOUD}
    ]
    return Topology.model_validate(document)


CLOUD = {"in_channels": 2, "out_channels": 3, "kernel_size": 1}


def test_a_topology_with_modules_is_read_and_drawn_before_anything_is_known_of_them():
    topology = with_modules()
    assert topology.unmeasured == {"cam0", "cam1", "cloud"}
    assert "module(own_nets:small) → cloud: sizes are known once it is trained" in draw(topology)
    with pytest.raises(ConfigError, match=r"^own_nets:small: what it gives is not known"):
        topology.feature_shape("cam0")


def test_running_them_once_fills_in_what_they_give():
    topology = measured(with_modules())
    assert topology.unmeasured == frozenset()
    assert topology.feature_shape("cam0") == (4, 4, 4)
    assert topology.input_shape("cloud") == (8, 4, 4)
    assert topology.feature_bytes("cam0") == 4 * 4 * 4 * 2 // 8
    block = topology.tiers[0].section.blocks[0]
    weights = 4 * 9 + 2 * 4 + 4 * 4 + 4
    assert block.measured == Measured(shape=(4, 4, 4), weights=weights, macs=4 * 9 * 16 + 16)
    assert section_bits(topology, "cam0") >= 32 * weights
    assert measured(topology) == topology


@pytest.mark.parametrize(("said", "used"), [(0.01, 0.1), (0.3, 0.3), (None, None)])
def test_batch_norms_keep_up_with_a_short_training(said, used):
    args = {"num_features": 1, "momentum": said}
    block = ModuleBlock(module("torch.nn:BatchNorm2d", **args), SHAPE)
    assert block.net.momentum == used


def test_a_topology_without_modules_stays_as_it_is():
    topology = star_topology()
    assert measured(topology) is topology


def test_joint_network_runs_them():
    topology = measured(with_modules())
    output = Joint(topology)(torch.zeros(3, 2, 1, 8, 8, dtype=torch.uint8))
    assert output.features["cam0"].shape == (3, 4, 4, 4)
    assert set((output.features["cam0"] * 3).round(decimals=5).unique().tolist()) <= {0, 1, 2, 3}
    assert output.logits["cloud"].shape == (3, 3)


def test_nodes_of_a_tier_may_see_different_shapes():
    """Each then has the section as its own; an exit's blocks are one for all, and refused."""
    document = star(2)
    flat = {"kind": "module", "factory": "torch.nn:Flatten"}
    deep = {"blocks": [{"kind": "convp", "filters": 2}, flat]}
    document["nodes"]["cam1"]["section"] = deep
    document["tiers"][0]["section"] = {"blocks": [flat]}
    topology = measured(Topology.model_validate(document))
    assert [topology.feature_shape(name) for name in ("cam0", "cam1")] == [(64, 1, 1), (32, 1, 1)]
    document["tiers"][0]["exit"]["blocks"] = [flat]
    with pytest.raises(ConfigError, match=r"^tier device: exit.blocks: .* at cam0, cam1, want the"):
        measured(Topology.model_validate(document))


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        pytest.param(module("torch.nn:Flatten"), (64, 1, 1), id="vectors"),
        pytest.param(module("own_nets:Rows"), (1, 1, 64), id="rows"),
        pytest.param(module("own_nets:small", channels=1, filters=3), (3, 4, 4), id="maps"),
    ],
)
def test_shape_is_that_of_what_it_gives(block, shape):
    assert measure(block, SHAPE).shape == shape


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (module("absent_nets:x"), "absent_nets:x: ModuleNotFoundError: .*PYTHONPATH"),
        (module("own_nets:absent"), "own_nets:absent: AttributeError"),
        (module("os:system", command="true"), "os:system: want a class of torch.nn.Module, or"),
        (module("own_nets:undeclared", channels=1), "own_nets:undeclared: want a class"),
        (module("own_nets:misdeclared"), "own_nets:misdeclared: gave a int, want a torch.nn.Mod"),
        (module("own_nets:pair"), r"own_nets:pair: gave tuple, want \(N, F\)"),
        (module("own_nets:small"), "own_nets:small: called: TypeError: .*channels"),
        (module("own_nets:small", channels=3), "own_nets:small: run on maps of 1x8x8: Runtime"),
        (module("absent"), "factory: no installed package adds 'absent' to ddnn.blocks"),
    ],
)
def test_what_is_no_module_is_refused_in_one_line(block, words):
    with pytest.raises(ConfigError, match=f"^{words}") as caught:
        measure(block, SHAPE)
    assert "\n" not in str(caught.value)


def test_modules_of_the_working_folder_are_found_last(tmp_path, monkeypatch):
    (tmp_path / "nets_of_here.py").write_text("from torch.nn import Identity as mine\n")
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    assert find_factory("nets_of_here:mine") is torch.nn.Identity
    with pytest.raises(ConfigError, match=r"^colorsys:hls_to_rgb: want a class"):
        find_factory("colorsys:hls_to_rgb")


def test_what_was_measured_must_be_true():
    block = module("own_nets:small", channels=1)
    wrong = measure(block, SHAPE).model_copy(update={"shape": (5, 4, 4)})
    with pytest.raises(ConfigError, match=r"^own_nets:small: measured: got shape=\(5, 4, 4\)"):
        measure(block.model_copy(update={"measured": wrong}), SHAPE)


@pytest.mark.usefixtures("example_package")
def test_a_package_adds_a_block_by_its_name():
    block = module("bottleneck", channels=1, filters=2, stride=2)
    assert measure(block, SHAPE).shape == (2, 4, 4)


def test_a_name_that_is_no_factory_is_refused_by_the_topology_itself():
    with pytest.raises(ValueError, match="factory"):
        module("own nets:small")
    assert find_factory("torch.nn:Conv2d") is torch.nn.Conv2d
