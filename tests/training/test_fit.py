import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from builders import random_views
from tiny import make_samples, make_topology

from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.write import write_bundle
from ddnn.data.multiview import DataSet, Split
from ddnn.errors import ConfigError, DataError, DdnnError
from ddnn.model.blocks import Layer
from ddnn.model.joint import Joint
from ddnn.runfolder import CHECKPOINT, HISTORY
from ddnn.topology import Topology
from ddnn.training.epoch import accuracies
from ddnn.training.fit import fit, prepare, train_step
from ddnn.training.optimizer import learning_rate as rate_at
from ddnn.training.predict import predict
from ddnn.training.settings import settings_for

CPU = torch.device("cpu")


def weights_equal(a: Joint, b: Joint) -> bool:
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def trained(data, topology, settings, *, seed, folder, resume=False, on_epoch=lambda _: None):
    checkpoint = folder / CHECKPOINT if resume else None
    training = prepare(data, topology, settings, seed=seed, checkpoint=checkpoint)
    return fit(training, folder, on_epoch)


def bundled(joint: Joint, folder: Path) -> str:
    """A place to start from."""
    rules = {name: ExitRule(threshold=None) for name in joint.topology.exits}
    write_bundle(folder, joint, exits=rules, prior_class=0)
    return str(folder)


class StopError(Exception):
    pass


def stop_after(number: int):
    def on_epoch(epoch):
        if epoch.epoch == number:
            raise StopError

    return on_epoch


def test_training_learns_the_tiny_problem(tmp_path, data, topology):
    settings = settings_for("robust", epochs=12, batch=8, learning_rate=0.01)
    joint = trained(data, topology, settings, seed=0, folder=tmp_path)
    test = data.part("test")
    assert accuracies(predict(joint, test), test)["cloud"] >= 0.8


@pytest.mark.parametrize("device_bits", [1, 4, 32])
def test_bfloat16_learns_as_well_and_leaves_float32_weights(tmp_path, data, device_bits):
    document = make_topology().model_dump(mode="json")
    document["tiers"][0]["section"] |= {"weight_bits": device_bits, "activation_bits": device_bits}
    topology = Topology.model_validate(document)
    settings = settings_for("robust", epochs=12, batch=8, learning_rate=0.01, precision="bfloat16")
    joint = trained(data, topology, settings, seed=0, folder=tmp_path)
    test = data.part("test")
    assert accuracies(predict(joint, test), test)["cloud"] >= 0.8
    assert {tensor.dtype for tensor in joint.parameters()} == {torch.float32}


def test_bfloat16_is_what_layers_compute_in_and_not_the_loss(data, topology):
    settings = settings_for("robust", precision="bfloat16")
    training = prepare(data, topology, settings, seed=0)
    convolved = []
    first = training.joint.sections["cloud"].blocks[0].conv
    first.register_forward_hook(lambda *call: convolved.append(call[-1].dtype))
    loss = train_step(training.joint, training.optimizer, training.train, training.loss_of)
    assert (convolved, loss.dtype) == ([torch.bfloat16], torch.float32)


def test_equal_seeds_give_equal_weights_and_others_do_not(tmp_path, data, topology, settings):
    runs = [
        trained(data, topology, settings, seed=seed, folder=tmp_path / str(n))
        for n, seed in enumerate((3, 3, 4))
    ]
    assert weights_equal(runs[0], runs[1])
    assert not weights_equal(runs[0], runs[2])


def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path, data, topology, settings):
    whole = trained(data, topology, settings, seed=1, folder=tmp_path / "whole")
    with pytest.raises(StopError):
        trained(data, topology, settings, seed=1, folder=tmp_path / "cut", on_epoch=stop_after(1))
    resumed = trained(data, topology, settings, seed=1, folder=tmp_path / "cut", resume=True)
    assert weights_equal(whole, resumed)
    lines = [(tmp_path / part / HISTORY).read_text().splitlines() for part in ("whole", "cut")]
    assert [json.loads(x)["loss"] for x in lines[0]] == [json.loads(x)["loss"] for x in lines[1]]


def test_history_tells_each_epochs_loss_and_accuracy(tmp_path, data, topology, settings):
    seen = []
    trained(data, topology, settings, seed=0, folder=tmp_path, on_epoch=seen.append)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3] == [epoch.epoch for epoch in seen]
    assert lines[-1]["accuracy"].keys() == {"local", "cloud"}
    assert lines[0]["is_best"]


def test_weights_of_few_bits_stay_between_minus_one_and_one(tmp_path, data, topology):
    settings = settings_for("robust", epochs=2, batch=16, learning_rate=0.5)
    joint = trained(data, topology, settings, seed=0, folder=tmp_path)
    for module in joint.modules():
        if isinstance(module, Layer):
            assert module.weight.abs().max() <= 1


def test_the_paper_preset_updates_once_an_epoch_and_keeps_the_last(tmp_path, data, topology):
    settings = settings_for("paper", epochs=4)
    joint = trained(data, topology, settings, seed=0, folder=tmp_path)
    state = safetensors.torch.load_file(tmp_path / CHECKPOINT)
    steps = {int(value) for key, value in state.items() if key.endswith("/step")}
    assert steps == {4}
    last = {key.removeprefix("weights/"): value for key, value in state.items()}
    assert all(torch.equal(value, last[key]) for key, value in joint.state_dict().items())
    assert settings_for("paper").epochs == 100


def test_a_training_that_diverges_is_told_and_what_was_before_is_kept(tmp_path, data, topology):
    settings = settings_for("robust", epochs=3, batch=16)

    def spoil(epoch):
        if epoch.epoch == 1:
            with torch.no_grad():
                training.joint.sections["cloud"].head.norm.weight.fill_(torch.inf)

    training = prepare(data, topology, settings, seed=0)
    with pytest.raises(DataError, match=r"epoch 2: the loss is nan, .* want finite ones"):
        fit(training, tmp_path, spoil)
    lines = (tmp_path / HISTORY).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1]


def test_a_cosine_falls_from_the_rate_to_zero():
    settings = settings_for("robust", epochs=10, learning_rate=0.2)
    assert rate_at(settings, 0) == 0.2
    assert rate_at(settings, 5) == pytest.approx(0.1)
    assert rate_at(settings, 10) == pytest.approx(0)


@pytest.mark.parametrize("name", ["a-cloud-only", "d-device-edge-cloud", "f-edges-cloud"])
def test_other_hierarchies_train_with_the_same_code(tmp_path, name):
    topology = make_topology(name)
    samples = make_samples(24)
    repeated = np.resize(np.arange(3), topology.views)
    samples = type(samples)(
        views=samples.views_NVCHW[:, repeated],
        labels_NV=np.where(
            samples.labels_NV[:, repeated] < 0,
            samples.fused_labels_N[:, None],
            samples.labels_NV[:, repeated],
        ),
        classes=samples.classes,
    )
    order = np.arange(24)
    data = DataSet(
        name=name,
        samples=samples,
        split=Split(train=order, validation=order, test=order),
        digest="",
    )
    joint = trained(
        data, topology, settings_for("robust", epochs=1, batch=12), seed=0, folder=tmp_path
    )
    assert list(predict(joint, samples)) == list(topology.exits)


def test_data_of_another_shape_or_other_classes_is_refused(tmp_path, data, settings):
    with pytest.raises(ConfigError, match="data set: has views x channels x height x width 3 x 3"):
        trained(data, make_topology("six-cameras"), settings, seed=0, folder=tmp_path)
    other = type(data.samples)(
        views=data.samples.views_NVCHW,
        labels_NV=data.samples.labels_NV,
        classes=("car", "bus", "person"),
    )
    changed = DataSet(name="x", samples=other, split=data.split, digest="")
    with pytest.raises(ConfigError, match="has classes \\['car', 'bus', 'person'\\]"):
        trained(changed, make_topology(), settings, seed=0, folder=tmp_path)


def test_too_few_training_samples_are_named(tmp_path, data, topology, settings):
    order = np.arange(96)
    split = Split(train=order[:1], validation=order[1:50], test=order[50:])
    few = DataSet(name="few", samples=data.samples, split=split, digest="")
    with pytest.raises(DataError, match="few: 1 training samples, want at least 2"):
        trained(few, topology, settings, seed=0, folder=tmp_path)


def test_the_best_epochs_weights_outlive_an_interruption(tmp_path, misled, topology):
    settings = settings_for("robust", epochs=4, batch=8, learning_rate=0.01)
    whole = trained(misled, topology, settings, seed=0, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert not lines[-1]["is_best"]
    again = trained(misled, topology, settings, seed=0, folder=tmp_path, resume=True)
    assert weights_equal(whole, again)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "other network"])
def test_a_damaged_checkpoint_is_named(tmp_path, data, topology, settings, damage):
    trained(data, topology, settings, seed=0, folder=tmp_path)
    path = tmp_path / CHECKPOINT
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "flipped":
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content)
    else:
        topology = make_topology("c-devices-cloud", size=8)
        document = topology.model_dump(mode="json")
        document["tiers"][1]["section"]["blocks"][0]["filters"] = 9
        topology = type(topology).model_validate(document)
    with pytest.raises(DdnnError, match=CHECKPOINT):
        trained(data, topology, settings, seed=0, folder=tmp_path, resume=True)


def test_no_file_of_a_run_is_a_pickle(tmp_path, data, topology, settings):
    trained(data, topology, settings, seed=0, folder=tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    size = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + size])


def test_an_impossible_knob_is_named():
    with pytest.raises(ConfigError, match="epochs"):
        settings_for("robust", epochs=0)


def test_the_usual_recipe_for_images_learns(tmp_path, data, topology):
    settings = settings_for("images", epochs=12, batch=8, learning_rate=0.05)
    joint = trained(data, topology, settings, seed=0, folder=tmp_path)
    test = data.part("test")
    assert accuracies(predict(joint, test), test)["cloud"] >= 0.8


def test_one_cycle_rises_for_a_quarter_and_falls_to_nothing():
    settings = settings_for("images", epochs=8, learning_rate=0.4)
    rates = [rate_at(settings, epoch) for epoch in (0, 1, 2, 5, 8)]
    assert rates == pytest.approx([0, 0.2, 0.4, 0.2, 0])


@pytest.mark.parametrize("preset", ["robust", "paper"])
def test_frozen_tiers_keep_weights_and_statistics(tmp_path, data, topology, settings, preset):
    first = trained(data, topology, settings, seed=0, folder=tmp_path / "first")
    for norm in (block.norm for block in first.sections["cam0"].blocks):
        torch.nn.init.constant_(norm.weight, 2.5)  # what the paper's preset would clip
    before, start = first.state_dict(), bundled(first, tmp_path / "bundle")
    again = settings_for(preset, epochs=1, batch=16, start_from=start, freeze=("device",))
    after = trained(data, topology, again, seed=5, folder=tmp_path / "second").state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert all("cloud" in key for key in changed)


@pytest.mark.parametrize("frozen", [(), ("device.trunk",)], ids=["devices", "their exit"])
def test_without_a_weight_on_the_last_exit_the_cloud_stays(
    tmp_path, data, topology, settings, frozen
):
    first = trained(data, topology, settings, seed=0, folder=tmp_path / "first")
    before, start = first.state_dict(), bundled(first, tmp_path / "bundle")
    step = settings_for(
        "robust",
        epochs=1,
        batch=16,
        keep="last",
        start_from=start,
        exit_weights={"cloud": 0.0},
        freeze=frozen,
    )
    after = trained(data, topology, step, seed=5, folder=tmp_path / "second").state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed
    assert not [key for key in changed if "cloud" in key]
    assert frozen == () or all(".head." in key for key in changed)


def test_nothing_is_computed_above_the_last_exit_asked_for():
    topology = make_topology("e-devices-edge-cloud")
    views_NVCHW = torch.from_numpy(random_views(topology, 4).views_NVCHW)
    joint = Joint(topology).eval()
    whole = joint(views_NVCHW)
    output = joint(views_NVCHW, last_exit="edge")
    assert list(output.logits) == ["local", "edge"]
    assert "cloud" not in output.scores
    for name, logits_NK in output.logits.items():
        assert torch.equal(logits_NK, whole.logits[name])


def test_a_network_with_one_more_layer_starts_from_what_it_shares(tmp_path, data, settings):
    first = trained(data, make_topology(), settings, seed=0, folder=tmp_path / "first")
    document = make_topology().model_dump(mode="json")
    document["tiers"][0]["section"]["feature_bits"] = 2
    other = settings_for("robust", epochs=1, batch=16, learning_rate=1e-9)
    started = other.model_copy(update={"start_from": bundled(first, tmp_path / "bundle")})
    topology = Topology.model_validate(document)
    joint = trained(data, topology, started, seed=1, folder=tmp_path / "second")
    test = data.part("test")
    assert accuracies(predict(joint, test), test)["local"] > 0.5  # a third by guessing


def test_what_cannot_be_frozen_or_started_from_is_named(tmp_path, data, topology, settings):
    wrong = settings.model_copy(update={"freeze": ("devise",)})
    with pytest.raises(
        ConfigError, match=r"freeze: got 'devise', want any of device, device.trunk"
    ):
        trained(data, topology, wrong, seed=0, folder=tmp_path)
    wrong = settings.model_copy(update={"exit_weights": {"clod": 0.5}})
    with pytest.raises(ConfigError, match=r"exit_weights: got 'clod', want exits \(local, cloud\)"):
        trained(data, topology, wrong, seed=0, folder=tmp_path)
    wrong = settings.model_copy(update={"start_from": str(tmp_path / "nowhere")})
    with pytest.raises(DdnnError, match=r"nowhere.*No such file"):
        trained(data, topology, wrong, seed=0, folder=tmp_path)


def test_each_epoch_of_each_seed_draws_anew_and_the_same_again(tmp_path, data, topology):
    settings, seeds = settings_for("robust", epochs=3, batch=8), []
    for seed in (0, 1, 0):
        drawn: list[int] = []
        trained(
            data, topology, settings, seed=seed, folder=tmp_path,
            on_epoch=lambda _, drawn=drawn: drawn.append(torch.initial_seed()),
        )  # fmt: skip
        seeds.append(drawn)
    assert len({*seeds[0], *seeds[1]}) == 6
    assert seeds[2] == seeds[0]
