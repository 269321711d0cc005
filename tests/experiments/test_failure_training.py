"""Trainings that know of failures: what each changes, how choices are measured, that they train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import DataSet, MultiView, Split
from ddnn.model import sections
from ddnn.model.aggregate import build_fusion, fuse_concat
from ddnn.training import batches
from ddnn.training.failures import SubsetAccuracy
from ddnn.training.settings import settings_for
from experiments.paper import failure_training
from experiments.paper.failure_training import (
    Tokens,
    any_camera,
    mix_any_views,
    one_rule,
    right,
    with_tokens,
)
from experiments.shared.study import run


def test_each_way_changes_of_robust_what_it_is_called():
    robust = settings_for("robust").model_dump()
    for name, way in failure_training.WAYS.items():
        found = settings_for("robust", **way.changes).model_dump()
        changed = {key for key, value in found.items() if value != robust[key]}
        assert ("dropout_by" in changed) == ("count" in name)
        assert ("distillation" in changed) == ("distilled" in name)
        assert (
            ("augment" in changed)
            == ("view_mixing" in changed)
            == (name == "robust, views as they are")
        )


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
    found = SubsetAccuracy(
        lost=(), accuracy={}, local_share=0.0, correct_N=np.array([True, True, True, False])
    )
    assert right(data, "test", [found]) == pytest.approx(50)


def test_one_rule_is_that_of_one_lost_device():
    rule = ExitRule(threshold=0.1, threshold_lost=(0.2, 0.3))
    assert one_rule({"local": rule})["local"].threshold_lost == (0.2,)


@pytest.mark.study
def test_rows_are_those_of_the_ablation_and_of_unseen_samples(tmp_path: Path):
    places = ["--smoke", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    ways = ["robust, count, distilled", "robust, mask tokens"]
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
