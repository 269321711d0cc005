"""What one update and one epoch do. N samples, V views."""

import json
import math

import numpy as np
import pytest
import torch
from tiny import make_samples, make_topology

from ddnn.data.multiview import DataSet, Split
from ddnn.errors import ConfigError
from ddnn.model.blocks import Norm1d, Norm2d
from ddnn.model.joint import Joint
from ddnn.runfolder import CHECKPOINT, HISTORY
from ddnn.topology import Topology
from ddnn.training.batches import Batch
from ddnn.training.checkpoint import state_of
from ddnn.training.epoch import Epoch, accuracies
from ddnn.training.fit import Training, fit, prepare, run_epoch, train_step
from ddnn.training.optimizer import clip_weights, learning_rate, make_optimizer
from ddnn.training.predict import predict
from ddnn.training.settings import settings_for


def step(training: Training, batch: Batch) -> torch.Tensor:
    return train_step(training.joint, training.optimizer, batch, training.loss_of)


def weights_of(joint: Joint) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in joint.named_parameters()}


def test_adam_has_the_papers_constants(topology):
    optimizer = make_optimizer(Joint(topology), settings_for("paper"))
    assert isinstance(optimizer, torch.optim.Adam)
    (group,) = optimizer.param_groups
    constants = {key: group[key] for key in ("lr", "betas", "eps", "weight_decay")}
    assert constants == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}


def test_sgd_has_nesterovs_momentum_and_the_decay_asked_for(topology):
    optimizer = make_optimizer(Joint(topology), settings_for("images", weight_decay=0.01))
    assert isinstance(optimizer, torch.optim.SGD)
    (group,) = optimizer.param_groups
    constants = {key: group[key] for key in ("lr", "momentum", "nesterov", "weight_decay")}
    assert constants == {"lr": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}


def test_each_tier_learns_at_its_own_rate(topology):
    settings = settings_for("paper", tier_rates={"device": 0.1, "cloud": 0.5})
    joint = Joint(topology)
    optimizer = make_optimizer(joint, settings)
    rates = {
        id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]
    }
    for name, weight in joint.named_parameters():
        wanted = 5e-4 if name.startswith(("sections.cloud", "exits.cloud")) else 1e-4
        assert rates[id(weight)] == pytest.approx(wanted), name
    with pytest.raises(ConfigError, match=r"^training: tier_rates: got 'edge', want any of device"):
        make_optimizer(joint, settings_for("paper", tier_rates={"edge": 1.0}))


def test_a_tier_at_rate_0_stays_as_it_is(data, topology):
    settings = settings_for("robust", epochs=1, tier_rates={"device": 0.0})
    training = prepare(data, topology, settings, seed=0)
    before = weights_of(training.joint)
    run_epoch(training, 0)
    moved = {
        name.split(".")[1]
        for name, weight in training.joint.named_parameters()
        if not torch.equal(weight, before[name])
    }
    assert moved == {"cloud"}


def test_a_device_that_is_dropped_out_has_no_part_in_the_exits(data, topology):
    settings = settings_for("robust", device_weight=0.0)
    training = prepare(data, topology, settings, seed=0)
    batch = training.train._replace(present_NV=training.train.present_NV.clone())
    batch.present_NV[:, 0] = False
    before = weights_of(training.joint)
    step(training, batch)
    moved = {
        name for name, w in weights_of(training.joint).items() if not torch.equal(w, before[name])
    }
    assert not [name for name in moved if "cam0" in name]
    assert "sections.cam1.blocks.0.conv.weight" in moved


def test_with_device_dropout_the_nodes_that_a_fallback_leads_past_are_missing_too():
    topology = make_topology("edge-fallback")
    samples = make_samples(16)
    six = type(samples)(
        views=np.tile(samples.views_NVCHW, (1, 2, 1, 1, 1)),
        labels_NV=np.tile(samples.labels_NV, 2),
        classes=samples.classes,
    )
    split = Split(train=np.arange(16), validation=np.arange(16), test=np.arange(16))
    data = DataSet(name="six", samples=six, split=split, digest="")
    moved = {}
    for share in (0.0, 0.9999):
        training = prepare(data, topology, settings_for("robust", device_dropout=share), seed=0)
        before = weights_of(training.joint)
        step(training, training.train)
        after = weights_of(training.joint)
        moved[share] = {name for name, w in after.items() if not torch.equal(w, before[name])}
    assert "sections.edge0.blocks.0.conv.weight" in moved[0.0]
    assert not [name for name in moved[0.9999] if "edge0" in name]
    assert "sections.cloud.blocks.0.conv.weight" in moved[0.9999]


def test_an_update_follows_from_its_own_batch_alone(data, topology):
    training = prepare(data, topology, settings_for("robust", learning_rate=1e-30), seed=0)

    def gradients() -> list[torch.Tensor]:
        step(training, training.train)
        return [weight.grad.clone() for _, weight in training.joint.weights_to_learn()]

    first, second = gradients(), gradients()
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


@pytest.mark.parametrize(("preset", "clips"), [("paper", True), ("robust", False)])
def test_the_paper_preset_clips_batch_norms_too(data, topology, preset, clips):
    training = prepare(data, topology, settings_for(preset), seed=0)
    norms = [m for m in training.joint.modules() if isinstance(m, Norm1d | Norm2d)]
    for norm in norms:
        torch.nn.init.constant_(norm.weight, 2.5)
        torch.nn.init.constant_(norm.bias, -2.5)
    step(training, training.train)
    values = torch.cat([x.detach().abs() for norm in norms for x in (norm.weight, norm.bias)])
    assert values.max() == 1 if clips else values.min() > 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_only_weights_of_few_bits_are_clipped(bits):
    document = make_topology().model_dump(mode="json")
    document["tiers"][0]["section"]["weight_bits"] = bits
    document["tiers"][1]["section"]["weight_bits"] = 32
    joint = Joint(Topology.model_validate(document))
    few, real = joint.sections["cam0"].blocks[0].conv, joint.sections["cloud"].blocks[0].conv
    for layer in (few, real):
        torch.nn.init.constant_(layer.weight, -3.0)
    clip_weights(joint, norms=False)
    assert (few.weight.unique().tolist(), real.weight.unique().tolist()) == ([-1], [-3])


def test_an_epoch_updates_at_the_rate_of_each_moment_and_takes_statistics(data, topology):
    settings = settings_for("robust", epochs=4, batch=16)
    training = prepare(data, topology, settings, seed=0)
    training.joint.eval()
    rates = []
    training.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    loss = run_epoch(training, 2)
    assert rates == [learning_rate(settings, 2 + n / 3) for n in range(3)]
    assert math.isfinite(loss)
    counts = [m.num_batches_tracked for m in training.joint.modules() if isinstance(m, Norm2d)]
    assert set(map(int, counts)) == {3}


def test_each_epoch_is_judged_on_validation_samples(tmp_path, data, topology, settings):
    training, judged = prepare(data, topology, settings, seed=0), []

    def look(epoch: Epoch) -> None:
        validation = data.part("validation")
        judged.append((epoch.accuracy, accuracies(predict(training.joint, validation), validation)))

    fit(training, tmp_path, look)
    assert all(told == found for told, found in judged)
    assert len(judged) == 3


def test_a_training_judged_seldom_has_equal_weights_and_a_last_epoch_that_is_judged(
    tmp_path, data, topology
):
    each, seldom = (
        fit(
            prepare(
                data,
                topology,
                settings_for("robust", epochs=5, batch=16, keep="last", evaluate_every=every),
                seed=0,
            ),
            tmp_path / str(every),
        )
        for every in (1, 2)
    )
    lines = [
        json.loads(line) for line in (tmp_path / "2" / HISTORY).read_text("utf-8").splitlines()
    ]
    assert [line["validation_loss"] is not None for line in lines] == [False, True] * 2 + [True]
    assert [bool(line["accuracy"]) for line in lines] == [False, True] * 2 + [True]
    assert all(math.isfinite(line["loss"]) for line in lines)
    theirs = seldom.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in each.state_dict().items())


def test_the_best_of_the_judged_epochs_is_kept(tmp_path, misled, topology):
    settings = settings_for(
        "robust",
        epochs=6,
        batch=8,
        learning_rate=0.01,
        evaluate_every=3,
        augment="scene",
        view_mixing=0.4,
    )
    training, kept = prepare(misled, topology, settings, seed=0), []

    def look(epoch: Epoch) -> None:
        kept.append((epoch.is_best, state_of(training.joint)))

    joint = fit(training, tmp_path, look)
    assert [is_best for is_best, _ in kept] == [False, False, True, False, False, False]
    assert all(torch.equal(x, kept[2][1][key]) for key, x in joint.state_dict().items())


def test_a_training_cut_short_before_it_was_judged_ends_with_its_last_weights(
    tmp_path, data, topology
):
    settings = settings_for("robust", epochs=4, batch=16, evaluate_every=4)
    training = prepare(data, topology, settings, seed=0)
    reached = []

    def stop(epoch: Epoch) -> None:
        reached.append(state_of(training.joint))
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(training, tmp_path, stop)
    shorter = settings.model_copy(update={"epochs": 2})
    checkpoint = tmp_path / CHECKPOINT
    joint = fit(prepare(data, topology, shorter, seed=0, checkpoint=checkpoint), tmp_path)
    assert all(torch.equal(x, reached[-1][key]) for key, x in joint.state_dict().items())


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_epoch_that_is_to_be_kept_is_the_result(tmp_path, misled, topology, keep):
    settings = settings_for("robust", epochs=4, batch=8, learning_rate=0.01, keep=keep)
    training, kept = prepare(misled, topology, settings, seed=0), {}

    def look(epoch: Epoch) -> None:
        kept["last"] = state_of(training.joint)
        if epoch.is_best:
            kept["best"] = kept["last"]

    joint = fit(training, tmp_path, look)
    assert all(torch.equal(value, kept[keep][key]) for key, value in joint.state_dict().items())
    assert not all(torch.equal(kept["best"][key], x) for key, x in kept["last"].items())


def test_the_best_epoch_is_the_lowest_in_the_running_mean_of_the_validation_loss(
    tmp_path, misled, topology
):
    settings = settings_for(
        "robust", epochs=6, batch=8, learning_rate=0.01, augment="scene", view_mixing=0.4
    )
    fit(prepare(misled, topology, settings, seed=0), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    losses, trends = ([line[key] for line in lines] for key in ("validation_loss", "trend"))
    assert trends[0] == losses[0]
    for n in range(1, 6):
        assert trends[n] == pytest.approx(0.8 * trends[n - 1] + 0.2 * losses[n])
        assert lines[n]["is_best"] == (trends[n] <= min(trends[:n]))
    assert not lines[-1]["is_best"]


def test_with_distillation_the_exits_learn_from_whole_samples_too(data, topology):
    """A device that every sample of a batch lacks moves all the same."""
    settings = settings_for("robust", device_weight=0.0, distillation=1.0)
    training = prepare(data, topology, settings, seed=0)
    batch = training.train._replace(present_NV=training.train.present_NV.clone())
    batch.present_NV[:, 0] = False
    before = weights_of(training.joint)
    assert torch.isfinite(step(training, batch))
    name = "sections.cam0.blocks.0.conv.weight"
    assert not torch.equal(weights_of(training.joint)[name], before[name])
