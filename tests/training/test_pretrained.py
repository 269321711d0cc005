"""What a module's training begins with."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from tiny import make_topology

from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.model.measured import measured
from ddnn.topology import Topology, read_topology
from ddnn.training.fit import prepare
from ddnn.training.pretrained import load_pretrained
from ddnn.yamlfile import to_yaml

CONV = {"in_channels": 3, "out_channels": 2, "kernel_size": 1}


def with_weights(name: str | None) -> dict:
    document = make_topology().model_dump(mode="json")
    block = {"kind": "module", "factory": "torch.nn:Conv2d", "args": CONV}
    document["tiers"][0]["section"] = {"blocks": [block | {"weights": name}]}
    return document


def joint_of(name: str) -> Joint:
    return Joint(measured(Topology.model_validate(with_weights(name))))


def test_a_file_beside_the_topology_is_what_training_begins_with(tmp_path, data, settings):
    weights = {"weight": torch.full((2, 3, 1, 1), 0.25), "bias": torch.tensor([1.0, 2.0])}
    save_file(weights | {"of another part": torch.zeros(1)}, tmp_path / "w.safetensors")
    (tmp_path / "mine.yaml").write_text(to_yaml(with_weights("w.safetensors")))
    training = prepare(data, measured(read_topology(tmp_path / "mine.yaml")), settings, seed=0)
    for name in training.joint.topology.devices:
        net = training.joint.sections[name].blocks[0].net
        assert torch.equal(net.weight, weights["weight"])
        assert torch.equal(net.bias, weights["bias"])


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"weight": torch.zeros(2, 3, 1, 1)}, r"no bias, want the weights of torch\.nn:Conv2d"),
        ({"weight": torch.zeros(2, 1), "bias": torch.zeros(2)}, r"weight: has shape \(2, 1\), tor"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path, weights, said):
    path = tmp_path / "w.safetensors"
    save_file(weights, path)
    with pytest.raises(ConfigError, match=f"^{path}: {said}"):
        load_pretrained(joint_of(str(path)))


def test_a_file_that_is_missing_or_damaged_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(
        ConfigError, match=f"^{path}: No such file or directory, want a safetensors"
    ):
        load_pretrained(joint_of(str(path)))
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=f"^{path}: damaged, want a safetensors file"):
        load_pretrained(joint_of(str(path)))


def test_weights_that_torchvision_does_not_have_are_refused():
    with pytest.raises(ConfigError, match=r"^torchvision:Absent_Weights\.X: "):
        load_pretrained(joint_of("torchvision:Absent_Weights.X"))


def test_both_parts_of_a_cut_network_take_torchvisions_weights(tmp_path, monkeypatch):
    """Its folder holds a file of that name already, so that nothing is downloaded."""
    name = "MobileNet_V3_Small_Weights.IMAGENET1K_V1"
    whole = torchvision.models.mobilenet_v3_small().state_dict()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    url = torchvision.models.get_weight(name).url
    torch.save(whole, folder / url.rpartition("/")[2])
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    document = read_topology("mobilenet-split").model_dump(mode="json")
    for tier in document["tiers"]:
        for block in tier["section"]["blocks"]:
            if block["factory"].endswith(":part"):
                block["weights"] = f"torchvision:{name}"
    joint = Joint(measured(Topology.model_validate(document)))
    load_pretrained(joint)
    for node, place in (("camera", 1), ("cloud", 1)):
        for key, value in joint.sections[node].blocks[place].net.state_dict().items():
            assert torch.equal(value, whole[key]), key
