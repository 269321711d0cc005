"""What parts of a preset gain, and the grid of max-pooled clouds: shortened, and their pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ddnn.model.aggregate import FUSE, fuse_max
from ddnn.model.blocks import Norm1d, Norm2d
from ddnn.training.settings import PRESETS, settings_for
from experiments.paper import ablation, max_clouds
from experiments.paper.max_clouds import all_tied, fuse_tied, re_estimated, silent
from experiments.shared.rows import Means
from experiments.shared.study import OF_RECORD, run, study_of
from experiments.shared.variants import cameras


def places(out: Path) -> list[str]:
    return ["--smoke", "--out", str(out), "--runs", str(out / "runs"), "--threads", "1"]


def robust_of_record() -> dict[str, object]:
    """The preset as it was when the rows were measured."""
    return PRESETS["robust"].model_dump() | OF_RECORD["robust"]


def test_batches_make_as_many_updates_as_robust_by_papers_recipe():
    preset, changes = ablation.SETTINGS["batches"]
    batches, robust = settings_for(preset, **changes), PRESETS["robust"]
    assert (batches.batch, batches.epochs) == (robust.batch, robust.epochs)
    rest = {"preset", "batch", "epochs"}
    assert batches.model_dump(exclude=rest) == PRESETS["paper"].model_dump(exclude=rest)


@pytest.mark.parametrize("setting", [name for name in ablation.SETTINGS if " - " in name])
def test_what_is_left_out_of_robust_is_one_part_as_paper_has_it(setting):
    _, changes = ablation.SETTINGS[setting]
    paper, robust = PRESETS["paper"].model_dump(), robust_of_record()
    assert changes
    assert all(value == paper[name] != robust[name] for name, value in changes.items())


@pytest.mark.parametrize("setting", [name for name in ablation.SETTINGS if "batches + " in name])
def test_what_is_added_to_batches_is_as_robust_has_it(setting):
    _, changes = ablation.SETTINGS[setting]
    robust = robust_of_record()
    assert all(value == robust[name] for name, value in changes.items())
    assert set(changes) > {"batch", "epochs"}


@pytest.mark.study
def test_rows_are_by_devices_lost_and_the_expected_share_lies_between(tmp_path):
    means: Means = run(ablation.EXPERIMENT, [*places(tmp_path), "--only", "paper", "robust"])
    assert list(means) == ["paper", "robust"]
    for rows in means.values():
        overall = {row: values["overall"].value for row, values in rows.items()}
        assert list(rows) == [*"012345", "survival 0.9"]
        losses = [overall[row] for row in "012345"]
        assert min(losses) - 5 <= overall["survival 0.9"] <= max(losses)  # all lost: the prior
        assert rows["0"]["overall_worst"].value == overall["0"]
        sight = [rows[row]["sight_limit"].value for row in "012345"]
        assert sight == sorted(sight, reverse=True)


def gradients(fuse, values: list[list[float]], present: list[bool]) -> list[list[float]]:
    members = [torch.tensor([value], requires_grad=True) for value in values]
    out: Tensor = fuse(members, torch.tensor([present]))
    out.sum().backward()
    return [member.grad[0].tolist() for member in members if member.grad is not None]


def test_all_members_that_tie_get_the_authors_whole_gradient_and_a_share_of_ours():
    values, present = [[1.0, 0.0], [1.0, 2.0], [5.0, 1.0]], [True, True, False]
    assert gradients(fuse_max, values, present) == [[0.5, 0.0], [0.5, 1.0], [0.0, 0.0]]
    assert gradients(fuse_tied, values, present) == [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_both_maxima_are_the_same_number_and_ours_comes_back():
    members = [torch.tensor([[1.0, 3.0], [9.0, 9.0]]), torch.tensor([[2.0, 0.0], [7.0, 7.0]])]
    present_NM = torch.tensor([[True, True], [False, False]])
    assert fuse_tied(members, present_NM).equal(fuse_max(members, present_NM))
    with all_tied():
        assert FUSE["max"] is fuse_tied
    assert FUSE["max"] is fuse_max


def test_statistics_are_those_of_the_training_samples_and_no_weight_moves(tmp_path):
    study = study_of(max_clouds.EXPERIMENT, places(tmp_path))
    topology = cameras(study.data, local="max", cloud="max")
    joint = study.train(topology, seed=0).joint
    fresh = re_estimated(joint, study)
    weights = dict(joint.named_parameters())
    assert all(value.equal(weights[name]) for name, value in fresh.named_parameters())
    device = fresh.sections["cam0"]
    first = next(module for module in device.modules() if isinstance(module, Norm2d | Norm1d))
    seen: list[Tensor] = []
    handle = first.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    views = torch.from_numpy(study.data.part("train").views_NVCHW[:, 0])
    with torch.no_grad():
        device(views)
    handle.remove()
    assert len(views) <= max_clouds.BATCH  # one batch: its mean is the mean
    assert torch.allclose(first.running_mean, seen[0].mean(dim=(0, 2, 3)), atol=1e-4)


def test_silent_devices_are_the_only_change():
    before = cameras(study_of(max_clouds.EXPERIMENT, ["--smoke"]).data)
    after = silent(before)
    assert (before.skips_absent, after.skips_absent) == (False, True)
    assert after.model_dump() | {"tiers": 0} == before.model_dump() | {"tiers": 0}
