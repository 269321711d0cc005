"""N samples, V views, K classes, M members."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from builders import MEASURED
from numpy.typing import NDArray

from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.write import bundle_files, write_bundle, write_exits
from ddnn.decision import decide
from ddnn.errors import BundleError
from ddnn.model.joint import Joint
from ddnn.topology import DEVICE, Topology, read_topology

torch.set_num_threads(1)
RULE = ExitRule(threshold=0.5)
SAMPLES = 64


def trained(topology: Topology) -> Joint:
    """Random weights, but batch norms that have seen data."""
    torch.manual_seed(0)
    joint = Joint(topology)
    with torch.no_grad():
        for module in joint.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.weight.normal_()
                module.bias.normal_()
        for step in range(4):
            views = torch.from_numpy(views_of(topology, 16, seed=step))
            joint(views, torch.rand(16, topology.views) > 0.2)
    return joint.eval()


def views_of(topology: Topology, count: int, seed: int = 0) -> NDArray[np.uint8]:
    shape = (count, topology.views, *topology.view.shape)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def changed(name: str, change) -> Topology:
    document = read_topology(name).model_dump(mode="json")
    change(document)
    return Topology.model_validate(document)


def aggregators(local: str, maps: str, cloud: str):
    def change(document):
        document["tiers"][0]["exit"]["aggregator"] = local
        document["tiers"][1]["aggregator"] = maps
        document["tiers"][1]["exit"]["aggregator"] = cloud

    return changed("c-devices-cloud", change)


def small_scores(scores: str):
    def change(document):
        for tier in document["tiers"]:
            tier["exit"]["scores"] = scores

    return changed("e-devices-edge-cloud", change)


def few_bits(bits: int):
    def change(document):
        document["tiers"][0]["section"] = {
            "blocks": [
                {"kind": "conv", "filters": 4},
                {"kind": "residual", "filters": 4, "activation_bits": bits, "weight_bits": bits},
                {"kind": "residual", "filters": 6, "stride": 2, "weight_bits": bits},
                {"kind": "convp", "filters": 5, "stride": 2, "pool_stride": 1},
                {"kind": "fc", "units": 32, "activation_bits": bits},
            ],
            "weight_bits": 8,
            "activation_bits": 32,
            "feature_bits": bits,
        }
        document["tiers"][1]["section"]["blocks"] = [{"kind": "fc", "units": 16}]

    return changed("b-device-cloud", change)


def wide_pool():
    def change(document):
        document["tiers"][0]["exit"]["pool"] = [2, 4]

    return changed("c-devices-cloud", change)


CASES = {
    "wide-pool": wide_pool(),
    **{name: read_topology(name) for name in MEASURED if name != "sensors"},  # own views: tests/run
    **{
        f"{local}-{maps}-{cloud}": aggregators(local, maps, cloud)
        for local, maps, cloud in [
            ("max", "max", "average"),
            ("average", "average", "concat"),
            ("concat", "concat", "max"),
            ("attention", "gated", "max"),
            ("gated", "attention", "max"),
        ]
    },
    **{f"few-bits-{bits}": few_bits(bits) for bits in (1, 2, 4, 8, 32)},
    **{f"scores-{scores}": small_scores(scores) for scores in ("float16", "int8")},
}


class Runtime:
    """Runs a bundle's files with ONNX Runtime, whole batches at once."""

    def __init__(self, topology: Topology, files: dict[str, bytes]) -> None:
        self.topology = topology
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            path.removesuffix(".onnx"): ort.InferenceSession(
                content, options, disabled_optimizers=["ConvMulFusion"]
            )
            for path, content in files.items()
            if path.endswith(".onnx")
        }

    def run(self, views_NVCHW, present_NV):
        """Logits by exit, features by node."""
        topology, outputs = self.topology, {}
        present = {name: present_NV[:, v] for v, name in enumerate(topology.devices)}
        for name in topology.section_nodes:
            if topology.nodes[name].role == DEVICE:
                feeds = {"views": views_NVCHW[:, topology.devices.index(name)]}
            else:
                children = topology.children(name)
                feeds = {
                    f"features_{m}": outputs[child]["features"] for m, child in enumerate(children)
                }
                delivered = [
                    present[child] & ~(present[children[other]] if other is not None else False)
                    for child, other in zip(children, topology.stands_in(name), strict=True)
                ]
                feeds["present"] = np.stack(delivered, 1).astype(np.float32)
                present[name] = feeds["present"].any(axis=1)
            outputs[name] = self._call(f"sections/{name}", feeds)
        logits = {}
        for exit_name, tier in topology.exits.items():
            members = [n for n in topology.section_nodes if topology.nodes[n].role == tier.name]
            feeds = {
                "scores": np.stack([outputs[m]["scores"] for m in members], 1),
                "present": np.stack([present[m] for m in members], 1).astype(np.float32),
            }
            logits[exit_name] = self._call(f"exits/{exit_name}", feeds)["logits"]
        features = {n: out["features"] for n, out in outputs.items() if "features" in out}
        return logits, features

    def _call(self, path, feeds):
        session = self.sessions[path]
        return dict(
            zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True)
        )


def signs_of_real_sums(topology: Topology) -> bool:
    """Whether layers of one bit see sums of real numbers, which the two add in another order: a
    sum near 0 may then get the other sign."""
    sections = [tier.section for tier in topology.tiers]
    return any(
        section.activation_bits == 1 and block.kind in ("conv", "residual")
        for section in sections
        for block in section.blocks
    )


@pytest.mark.parametrize("name", CASES)
def test_torch_and_onnx_runtime_agree(name):
    topology = CASES[name]
    joint = trained(topology)
    views = views_of(topology, SAMPLES, seed=99)
    present = np.random.default_rng(1).random((SAMPLES, topology.views)) > 0.3
    present[: SAMPLES // 2] = True
    with torch.no_grad():
        wanted = joint(torch.from_numpy(views), torch.from_numpy(present))
    logits, features = Runtime(topology, bundle_files(joint)).run(views, present)

    assert set(features) == set(wanted.features)
    for node, got in features.items():
        differing = (got != wanted.features[node].numpy()).mean()
        if topology.section(node).sent_bits == 32:
            np.testing.assert_allclose(got, wanted.features[node].numpy(), atol=1e-4)
        else:
            assert differing <= 1e-5, f"{node}: {differing:.2%} of the features differ"
    assert set(logits) == set(wanted.logits)
    for exit_name, got in logits.items():
        expected = wanted.logits[exit_name].numpy()
        close_N = np.isclose(got, expected, atol=1e-4, rtol=1e-4).all(axis=1)
        same_N = decide(got).predicted_N == decide(expected).predicted_N
        assert (close_N & same_N).mean() >= (0.9 if signs_of_real_sums(topology) else 1)


def test_a_sum_of_zero_has_the_sign_plus_in_both():
    """Of a black view all sums are 0, and batch norms that nothing moved leave them there."""
    topology = read_topology("c-devices-cloud")
    joint = Joint(topology).eval()
    black = np.zeros((1, topology.views, *topology.view.shape), dtype=np.uint8)
    with torch.no_grad():
        wanted = joint(torch.from_numpy(black)).features
    _, features = Runtime(topology, bundle_files(joint)).run(black, np.ones((1, 3), dtype=bool))
    for node, got in features.items():
        assert (got == 1).all()
        assert (wanted[node] == 1).all()


@pytest.mark.parametrize("name", CASES)
def test_onnx_runtime_has_nothing_to_say_about_the_graphs(name, capfd):
    Runtime(CASES[name], bundle_files(Joint(CASES[name]).eval()))
    assert capfd.readouterr().err == ""


def test_a_written_bundle_is_whole(tmp_path):
    topology = read_topology("six-cameras")
    folder = tmp_path / "run" / "bundle"
    manifest = write_bundle(
        folder,
        Joint(topology).eval(),
        exits={"local": RULE, "cloud": ExitRule(threshold=None)},
        prior_class=2,
    )
    bundle = load_bundle(folder)
    assert bundle.manifest == manifest
    assert bundle.topology == topology
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_bundle_replaces_the_one_before(tmp_path):
    topology = read_topology("b-device-cloud")
    rules = {"local": RULE, "cloud": ExitRule(threshold=None)}
    for seed in (0, 1):
        torch.manual_seed(seed)
        write_bundle(tmp_path / "b", Joint(topology).eval(), exits=rules, prior_class=seed)
    assert load_bundle(tmp_path / "b").manifest.prior_class == 1
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_new_rules_leave_the_other_files_and_hashes(tmp_path):
    topology = read_topology("b-device-cloud")
    rules = {"local": RULE, "cloud": ExitRule(threshold=None)}
    before = write_bundle(tmp_path / "b", Joint(topology).eval(), exits=rules, prior_class=0)
    sharper = rules | {"local": ExitRule(threshold=0.25, temperature=2.0)}
    write_exits(tmp_path / "b", sharper)
    after = load_bundle(tmp_path / "b").manifest
    assert after.exits == sharper
    assert after.sha256 == before.sha256


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    blocked: Path = tmp_path / "file"
    blocked.write_text("in the way")
    rules = {"local": RULE, "cloud": ExitRule(threshold=None)}
    joint = Joint(read_topology("b-device-cloud")).eval()
    with pytest.raises(BundleError, match="file/bundle: cannot be written"):
        write_bundle(blocked / "bundle", joint, exits=rules, prior_class=0)
