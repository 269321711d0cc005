"""Trainings that know of failures: what each changes, how choices are measured, that they train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.bundle.manifest import ExitRule
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView, Split
from ddnn.model import sections
from ddnn.model.aggregate import build_fusion, fuse_concat
from ddnn.model.joint import Joint
from ddnn.training import batches, fit
from ddnn.training.failures import every_failure
from ddnn.training.predict import perceive
from ddnn.training.run import Run, train_run
from ddnn.training.settings import settings_for
from experiments.paper import failure_choice, failure_training, failure_ways
from experiments.paper.failure_afterwards import (
    as_trained,
    estimated,
    norms_by_number,
    prior_where_lost,
)
from experiments.paper.failure_training import by_count, choice_of, one_rule
from experiments.paper.failure_ways import (
    Tokens,
    any_camera,
    follow,
    in_turn,
    mean_teacher,
    mix_any_views,
    with_tokens,
)
from experiments.shared.study import OF_RECORD, SMOKE_CARD, run
from experiments.shared.variants import cameras


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, DataSet]:
    data = load(SMOKE_CARD)
    settings = settings_for("robust", epochs=1)
    folder = tmp_path_factory.mktemp("run")
    return train_run(folder, cameras(data), SMOKE_CARD, settings, seed=0, data=data), data


def test_each_way_changes_of_robust_what_it_is_called():
    of_record = OF_RECORD["robust"]
    robust = settings_for("robust", **of_record).model_dump()
    for name, way in failure_ways.WAYS.items():
        found = settings_for("robust", **{**of_record, **way.changes}).model_dump()
        changed = {key for key, value in found.items() if value != robust[key]}
        assert ("dropout_by" in changed) == ("count" in name)
        assert ("distillation" in changed) == ("distilled" in name or "teacher" in name)
        assert (changed == {"device_dropout"}) == (name == "robust, a tenth dropped")
        assert ("augment" in changed) == ("view_mixing" in changed) == ("views as they are" in name)


def test_tokens_stand_for_who_is_missing_and_begin_as_concat():
    values = [torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)]
    present_NM = torch.tensor([[True, True], [True, False]])
    tokens = Tokens(2, 3)
    given = (torch.stack(values, dim=1), present_NM.float())
    assert torch.equal(tokens(*given), fuse_concat(values, present_NM))
    with torch.no_grad():
        tokens.tokens_MF[1] = torch.tensor([1.0, 2.0, 3.0])
    fused = tokens(*given)
    assert torch.equal(fused[0], torch.cat(values, dim=1)[0])
    assert fused[1, 3:].mean(dim=(1, 2)).tolist() == [1.0, 2.0, 3.0]


def test_patches_hold_for_as_long_as_they_are_asked_for():
    mixed = batches.mix_views
    with with_tokens(), any_camera():
        assert isinstance(sections.build_fusion("concat", 2, (3, 4, 4)).net, Tokens)
        assert batches.mix_views is mix_any_views
    assert sections.build_fusion is build_fusion
    assert batches.mix_views is mixed


def test_views_of_any_camera_are_of_the_same_class_and_seen():
    torch.manual_seed(0)
    fused_N = torch.arange(40) % 2
    labels_NV = fused_N[:, None].repeat(1, 3)
    labels_NV[::5, 1] = -1
    views = tuple(
        (10 * fused_N + v + 1).to(torch.uint8)[:, None, None, None]
        * (labels_NV[:, v] >= 0)[:, None, None, None]
        for v in range(3)
    )
    mixed = mix_any_views(views, labels_NV, fused_N, 1.0)
    changed = 0
    for v, view in enumerate(mixed):
        seen_N = labels_NV[:, v] >= 0
        values_N = view[:, 0, 0, 0]
        assert ((values_N > 0) == seen_N).all()
        assert ((values_N[seen_N] > 10) == (fused_N[seen_N] == 1)).all()
        changed += int((values_N != views[v][:, 0, 0, 0]).sum())
    assert changed > 0


def test_objects_weigh_the_same_where_they_are_known():
    samples = MultiView(
        views=np.ones((8, 1, 1, 1, 1), np.uint8),
        labels_NV=np.zeros((8, 1), np.int64),
        classes=("a", "b"),
    )
    split = Split(train=np.arange(2), validation=np.arange(2, 4), test=np.arange(4, 8))
    data = DataSet(
        name="t",
        samples=samples,
        split=split,
        digest="",
        objects_N=np.array([0, 0, 1, 1, 2, 2, 2, 3]),
    )
    right_N = np.array([True, True, True, False])
    found = {(): right_N, ("cam0",): right_N, ("cam1",): ~right_N}
    assert by_count(data, "test", found) == {0: pytest.approx(50), 1: pytest.approx(50)}
    assert by_count(data, "test", {(): np.arange(4) == 3}) == {0: pytest.approx(50)}


def test_one_rule_is_that_of_one_lost_device():
    rule = ExitRule(threshold=0.1, threshold_lost=(0.2, 0.3))
    assert one_rule({"local": rule})["local"].threshold_lost == (0.2,)


def test_batches_lose_one_number_of_devices_after_another():
    present_NV = torch.ones(9, 4, dtype=torch.bool)
    with in_turn():
        lost = [(~batches.drop_devices(present_NV, 0.3)).sum(dim=1).tolist() for _ in range(5)]
    assert lost == [[number] * 9 for number in (0, 1, 2, 3, 0)]


def test_a_teacher_is_the_running_mean_of_the_weights(trained: tuple[Run, DataSet]):
    topology = trained[0].topology
    teacher, joint = Joint(topology), Joint(topology)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    follow(teacher, joint)
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            wanted = before[name] * 0.99 + joint.state_dict()[name] * 0.01
            assert torch.allclose(value, wanted, atol=1e-6)


def test_a_mean_teacher_trains_and_ours_is_back_afterwards(tmp_path: Path):
    data, ours = load(SMOKE_CARD), fit.train_step
    settings = settings_for("robust", epochs=1, distillation=1.0)
    with mean_teacher():
        taught = train_run(tmp_path / "a", cameras(data), SMOKE_CARD, settings, seed=0, data=data)
    assert fit.train_step is ours
    plain = train_run(tmp_path / "b", cameras(data), SMOKE_CARD, settings, seed=0, data=data)
    assert taught.bundle_sha256 != plain.bundle_sha256


def test_what_is_as_trained_answers_as_the_failure_study_says(trained: tuple[Run, DataSet]):
    run, data = trained
    test, changed = data.part("test"), as_trained(run, data)
    assert changed.rules == run.rules
    found = changed.right(test)
    for subset in every_failure(run.joint, test, run.rules, prior_class=run.prior_class):
        assert (found[subset.lost] == subset.correct_N).all()


def test_norms_by_number_change_what_lies_above_the_devices_alone(trained: tuple[Run, DataSet]):
    run, data = trained
    parts = norms_by_number(run, data).parts
    assert parts[0].joint is run.joint
    first, second = (parts[number].joint.state_dict() for number in (1, 3))
    differ = {name for name, value in first.items() if not torch.equal(value, second[name])}
    assert differ
    assert all("running" in name and ".cam" not in name for name in differ)


def test_estimated_statistics_are_those_of_what_arrives(trained: tuple[Run, DataSet]):
    run, data = trained
    train = data.part("train")
    devices = perceive(run.joint, train)
    joint = estimated(run.joint, devices, len(train), 0)
    seen = []
    norm = next(m for m in joint.sections["cloud"].modules() if isinstance(m, torch.nn.BatchNorm2d))
    norm.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    joint.fuse(devices)
    assert torch.allclose(norm.running_mean, seen[0].mean(dim=(0, 2, 3)), atol=1e-4)


def test_the_prior_comes_back_once_somebody_is_lost(trained: tuple[Run, DataSet]):
    run, data = trained
    changed = prior_where_lost(run, data)
    counts_K = np.bincount(data.part("train").fused_labels_N)
    wanted_K = np.log(counts_K / counts_K.max())
    assert not changed.parts[0].bias_K.any()
    for part in changed.parts[1:]:
        assert part.bias_K == pytest.approx(np.maximum(wanted_K, -np.log(4)), abs=1e-5)


@pytest.mark.study
def test_choices_are_measured_on_samples_that_are_not_tested_on(tmp_path: Path):
    places = ["--smoke", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    ways = ["robust", "robust, norms by number", "robust, numbers in turn"]
    means = run(failure_choice.EXPERIMENT, [*places, "--threads", "1", "--only", *ways])
    assert list(means) == ways
    for rows in means.values():
        assert list(rows) == list("012345")
    assert means[ways[0]]["0"]["right"].value == means[ways[1]]["0"]["right"].value
    data = load(SMOKE_CARD)
    assert choice_of(data) == (data, "validation")


@pytest.mark.study
def test_rows_are_those_of_the_ablation_and_of_unseen_samples(tmp_path: Path):
    places = ["--smoke", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    ways = ["robust, count, distilled", "robust, prior where lost", "robust, mask tokens"]
    means = run(failure_training.EXPERIMENT, [*places, "--threads", "1", "--only", *ways])
    assert list(means) == ways
    for rows in means.values():
        assert list(rows)[:7] == [*"012345", "survival 0.9"]
        assert [name for name in rows if name.startswith("unseen")] == [
            f"unseen {count}" for count in (0, 1, 3, 5)
        ]
        assert rows["0"]["rule_points"].value == 0
        for row in ("1", "3", "5"):
            gained = rows[row]["overall"].value - rows[row]["one_rule"].value
            assert rows[row]["rule_points"].value == pytest.approx(gained, abs=0.01)
        overall = [rows[row]["overall"].value for row in "012345"]
        assert min(overall) - 5 <= rows["survival 0.9"]["overall"].value <= max(overall)
