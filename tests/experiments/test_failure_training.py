"""Trainings that know of failures: what each adds to `robust`, and that it trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddnn.training.settings import settings_for
from experiments.paper import failure_training
from experiments.shared.study import run


def test_each_setting_adds_to_robust_what_it_is_called():
    robust = settings_for("robust").model_dump()
    for name, (preset, changes) in failure_training.SETTINGS.items():
        found = settings_for(preset, **changes).model_dump()
        added = {key for key, value in found.items() if value != robust[key]}
        assert ("dropout_by" in added) == ("count" in name)
        assert ("distillation" in added) == ("distilled" in name)
        assert added <= {"dropout_by", "distillation"}


@pytest.mark.study
def test_rows_are_those_of_the_ablation(tmp_path: Path):
    places = ["--smoke", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    both = "robust, count, distilled"
    means = run(failure_training.EXPERIMENT, [*places, "--threads", "1", "--only", both])
    assert list(means) == [both]
    rows = means[both]
    assert list(rows) == [*"012345", "survival 0.9"]
    overall = [rows[row]["overall"].value for row in "012345"]
    assert min(overall) - 5 <= rows["survival 0.9"]["overall"].value <= max(overall)
