"""The byte experiments, shortened: levels in order, launches equal, codes smaller than pixels."""

from pathlib import Path

import pytest

from experiments.paper import byte_options, image_codes
from experiments.shared.rows import Mean
from experiments.shared.study import Experiment, run

pytestmark = pytest.mark.study


def smoke(experiment: Experiment, out: Path) -> dict[str, dict[str, Mean]]:
    """The row of each setting."""
    places = ["--out", str(out), "--runs", str(out / "runs"), "--threads", "1"]
    means = run(experiment, ["--smoke", *places])
    return {setting: rows[setting] for setting, rows in means.items()}


def test_byte_options_are_measured_at_all_levels_beside_accuracy(tmp_path):
    pictures, small = smoke(byte_options.EXPERIMENT, tmp_path).values()
    for row in (pictures, small):
        levels = [row[f"{name}_bytes"].value for name in ("information", "payload", "zmtp", "ip")]
        assert levels == sorted(levels)
        assert row["equal_verdicts"].value > 90
        behind = row["all_cloud"].value - row["overall"].value
        assert row["behind_points"].value == pytest.approx(behind, abs=0.02)  # rounded
        few_and_right = row["payload_bytes"].value <= 12 and behind <= 0.5
        assert row["meets"].value == 100 * few_and_right
    assert small["payload_bytes"].value < pictures["payload_bytes"].value / 5


def test_lossless_images_are_larger_than_lossy_ones_and_as_accurate_as_raw_views(tmp_path):
    rows = smoke(image_codes.EXPERIMENT, tmp_path)
    size = {name: row["view_bytes"].value for name, row in rows.items()}
    for code in ("PNG", "WebP lossless"):
        assert rows[code]["all_cloud"] == rows["raw"]["all_cloud"]
        assert size["raw"] > size[code]
    assert size["JPEG 50"] < size["JPEG 90"] < size["PNG"]
