"""Devices in one pass and each by itself. N samples, V views, C image channels, H, W."""

import copy

import pytest
import torch
from safetensors.torch import load_file

from ddnn.model.joint import Joint
from ddnn.model.together import are_alike
from ddnn.topology import Topology, read_topology
from ddnn.training.batches import Batch
from ddnn.training.checkpoint import Progress, load_checkpoint, save_checkpoint, state_of
from ddnn.training.fit import train_mode, train_step
from ddnn.training.loss import JointLoss
from ddnn.training.optimizer import freeze, make_optimizer
from ddnn.training.settings import settings_for


def six_cameras(**device_block: object) -> Topology:
    document = read_topology("six-cameras").model_dump(mode="json")
    block = document["tiers"][0]["section"]["blocks"][0]
    block |= device_block
    if block["kind"] == "conv":
        block |= {"stride": 2}
        for name in ("pool", "pool_stride"):
            block.pop(name)
    return Topology.model_validate(document)


def make_batches(topology: Topology, count: int, samples: int = 12) -> list[Batch]:
    draw = torch.Generator().manual_seed(1)

    def integers(most: int, *shape: int) -> torch.Tensor:
        return torch.randint(most, shape, generator=draw)

    views, classes = topology.views, len(topology.classes)
    return [
        Batch(
            tuple(integers(256, samples, 3, 32, 32).to(torch.uint8) for _ in range(views)),
            integers(classes + 1, samples, views) - 1,
            integers(classes, samples),
            integers(4, samples, views) > 0,
        )
        for _ in range(count)
    ]


def updated(joint: Joint, batches: list[Batch], *, together: bool) -> dict[str, torch.Tensor]:
    """Weights and statistics after an update with each batch, in proportion to the gradient: Adam
    would make whole steps of rounding errors where a gradient is 0."""
    settings = settings_for("robust", device_dropout=0.0, optimizer="sgd", learning_rate=0.01)
    if together:
        joint.learn_together()
        assert joint.together is not None
    optimizer = make_optimizer(joint, settings)
    loss_of = JointLoss(joint.topology, settings, batches[0].fused_N)
    train_mode(joint)
    for batch in batches:
        train_step(joint, optimizer, batch, loss_of)
    return joint.state_dict()


MAKES = {
    "1-bit": {},
    "few-bits": {"weight_bits": 4, "activation_bits": 2},
    "real-weights": {"weight_bits": 32, "activation_bits": 32},
    "no-pool": {"kind": "conv"},
}


@pytest.fixture(params=MAKES.values(), ids=MAKES)
def topology(request: pytest.FixtureRequest) -> Topology:
    return six_cameras(**request.param)


def test_updates_in_one_pass_give_the_weights_of_devices_that_run_by_themselves(topology):
    torch.manual_seed(0)
    one = Joint(topology)
    other = copy.deepcopy(one)
    batches = make_batches(topology, 5)
    found = updated(one, batches, together=True)
    wanted = updated(other, batches, together=False)
    assert list(found) == list(wanted)
    equal = [
        torch.isclose(found[name].float(), value.float(), rtol=1e-3, atol=1e-4).flatten()
        for name, value in wanted.items()
    ]
    # All but those few whose sign, or that of a value behind them, turned on a rounding error.
    assert torch.cat(equal).float().mean() > 0.999


def test_one_pass_gives_the_features_and_scores_of_each_device(topology):
    torch.manual_seed(0)
    joint = Joint(topology)
    joint.learn_together()
    train_mode(joint)
    (batch,) = make_batches(topology, 1)
    found = joint.perceive(batch.views)
    joint.together = None
    for name, wanted in joint.perceive(batch.views).items():
        torch.testing.assert_close(found[name].features, wanted.features)
        torch.testing.assert_close(found[name].scores, wanted.scores)


def test_what_is_saved_of_devices_in_one_pass_goes_on_with_each_by_itself(topology, tmp_path):
    """As where a training is resumed on several processes; and back."""
    settings = settings_for("robust", device_dropout=0.0)
    one, other, again = (Joint(topology) for _ in range(3))
    one.learn_together()
    again.learn_together()
    optimizers = [make_optimizer(joint, settings) for joint in (one, other, again)]
    batches = make_batches(topology, 2)
    train_mode(one)
    for batch in batches:
        train_step(one, optimizers[0], batch, JointLoss(topology, settings, batch.fused_N))
    places = [tmp_path / name for name in ("one", "other", "again")]
    save_checkpoint(places[0], one, optimizers[0], Progress(state_of(one), []))
    for number, joint in ((1, other), (2, again)):
        load_checkpoint(places[number - 1], joint, optimizers[number])
        save_checkpoint(places[number], joint, optimizers[number], Progress(state_of(joint), []))
    saved, *loaded = (load_file(place) for place in places)
    assert any(name.startswith("optimizer/sections.cam5.") for name in saved)
    for found in loaded:
        assert found.keys() == saved.keys()
        assert all(torch.equal(found[name], value) for name, value in saved.items())
    weight = other.sections["cam3"].head.linear.weight
    moments = optimizers[1].state[weight]["exp_avg"]
    shared = optimizers[0].state[one.together.weights["head.linear.weight"]]["exp_avg"]
    assert torch.equal(moments, shared[3])
    assert moments.abs().sum() > 0


def test_devices_that_are_not_alike_run_by_themselves():
    assert are_alike(read_topology("six-cameras"))
    assert not are_alike(read_topology("sensors"))  # views of several sizes
    assert not are_alike(read_topology("b-device-cloud"))  # one device
    assert not are_alike(six_cameras(filters=16))  # no faster together
    document = read_topology("six-cameras").model_dump(mode="json")
    own = document["tiers"][0]["section"] | {"weight_bits": 2}
    document["nodes"]["cam3"]["section"] = own
    assert not are_alike(Topology.model_validate(document))


def test_frozen_devices_run_by_themselves_and_stay_as_they_are():
    topology = six_cameras()
    joint = Joint(topology)
    freeze(joint, ("device.trunk",))
    joint.learn_together()
    assert joint.together is None
    train_mode(joint)
    before = {k: v.clone() for k, v in joint.sections["cam0"].blocks.state_dict().items()}
    (batch,) = make_batches(topology, 1)
    joint(batch.views)
    after = joint.sections["cam0"].blocks.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
