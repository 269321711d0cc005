"""N samples, V views, K classes."""

import pytest
import torch
from tiny import make_topology
from torch.nn import functional as F

from ddnn.model.joint import Joint
from ddnn.training.batches import tensors
from ddnn.training.loss import JointLoss, class_weights
from ddnn.training.settings import settings_for


@pytest.fixture
def output_and_batch(data, topology):
    torch.manual_seed(0)
    batch = tensors(data.part("train"), torch.device("cpu"))
    return Joint(topology).eval()(batch.views), batch


@pytest.mark.parametrize("balance", [False, True])
def test_the_loss_is_the_sum_over_exits_and_devices_each_of_its_own_label(
    output_and_batch, topology, balance
):
    output, batch = output_and_batch
    settings = settings_for("paper", class_balance=balance)
    skewed_N = batch.fused_N.clamp_max(1)  # class 2 is rare, and weighs more
    weights_K = class_weights(skewed_N, 3, settings)
    assert (len(set(weights_K.tolist())) > 1) == balance
    losses = [F.cross_entropy(x_NK, batch.fused_N, weights_K) for x_NK in output.logits.values()]
    for view, name in enumerate(topology.devices):
        labels_N = batch.labels_NV[:, view]
        own = F.cross_entropy(output.scores[name], labels_N, weights_K, ignore_index=-1)
        losses.append(own)
    assert len(losses) == 2 + 3
    found = JointLoss(topology, settings, skewed_N)(output, batch)
    torch.testing.assert_close(found, torch.stack(losses).sum())


def test_the_devices_own_losses_count_by_their_weight(output_and_batch, topology):
    output, batch = output_and_batch

    def loss(weight: float) -> float:
        settings = settings_for("robust", device_weight=weight)
        return JointLoss(topology, settings, batch.fused_N)(output, batch).item()

    assert loss(3.0) - loss(0.0) == pytest.approx(3 * (loss(1.0) - loss(0.0)), rel=1e-5)
    assert loss(1.0) > loss(0.0)


def test_an_answer_without_devices_is_pulled_to_the_one_with_them_which_is_not_pulled(data):
    topology = make_topology()
    joint, batch = Joint(topology).eval(), tensors(data.part("train"), torch.device("cpu"))
    loss_of = JointLoss(topology, settings_for("robust", distillation=2.0), batch.fused_N)
    devices = joint.perceive(batch.views)
    lost = batch.present_NV.clone()
    lost[:, 0] = False
    output, whole = joint.fuse(devices, lost), joint.fuse(devices)
    for made in (output, whole):
        for logits_NK in made.logits.values():
            logits_NK.retain_grad()
    found = loss_of.distilled(output, whole)
    found.backward()
    wanted = 0.0
    for name, logits_NK in output.logits.items():
        p, q = whole.logits[name].softmax(dim=1), logits_NK.softmax(dim=1)
        wanted += 2.0 * (p * (p.log() - q.log())).sum(dim=1).mean().item()
        assert logits_NK.grad is not None
        assert whole.logits[name].grad is None
    assert found.item() == pytest.approx(wanted, rel=1e-4)
    assert loss_of.distilled(whole, whole).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("weights", "last"),
    [({}, "cloud"), ({"cloud": 0.0}, "edge"), ({"edge": 0.0}, "cloud"),
     ({"cloud": 0.0, "edge": 0.0}, "local"),
     ({"cloud": 0.0, "edge": 0.0, "local": 0.0}, "local")],
)  # fmt: skip
def test_nothing_above_the_last_exit_with_a_weight_is_needed(weights, last):
    topology = make_topology("e-devices-edge-cloud")
    settings = settings_for("robust", exit_weights=weights)
    assert JointLoss(topology, settings, torch.tensor([0, 1, 2])).last_exit == last


def test_absent_views_teach_their_device_nothing(data, topology):
    torch.manual_seed(0)
    joint = Joint(topology)
    batch = tensors(data.samples, torch.device("cpu"))
    absent = batch.labels_NV[:, 0] < 0
    only_absent = batch.take(absent)
    settings = settings_for("robust", exit_weights={"local": 0.0, "cloud": 0.0})
    loss_of = JointLoss(topology, settings, batch.fused_N)
    loss_of(joint(only_absent.views), only_absent).backward()
    gradient = joint.sections["cam0"].blocks[0].conv.weight.grad
    assert not gradient.any()
    assert joint.sections["cam1"].blocks[0].conv.weight.grad.any()


def test_exit_weights_scale_their_losses(data, topology):
    torch.manual_seed(0)
    joint = Joint(topology).eval()
    batch = tensors(data.samples, torch.device("cpu"))
    output = joint(batch.views)

    def loss(**weights):
        settings = settings_for("robust", exit_weights=weights, device_weight=0.0)
        return float(JointLoss(topology, settings, batch.fused_N)(output, batch).detach())

    local, cloud = loss(cloud=0.0), loss(local=0.0)
    assert loss(local=2.0, cloud=0.5) == pytest.approx(2 * local + 0.5 * cloud, rel=1e-5)


def test_rare_classes_weigh_more_but_never_too_much():
    labels_N = torch.tensor([0] * 30 + [1] * 10 + [2])
    assert class_weights(labels_N, 3, settings_for("robust")).tolist() == [1, 3, 4]
    assert class_weights(labels_N, 3, settings_for("paper")).tolist() == [1, 1, 1]
