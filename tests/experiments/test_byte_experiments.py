"""The byte experiments run through with one seed, one epoch and few samples."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.study
FOLDER = Path(__file__).parents[2] / "experiments"


def rows_of(script: str, out: Path) -> list[dict[str, str]]:
    """What the script writes, by column."""
    command = [sys.executable, str(FOLDER / f"{script}.py"), "--smoke", "--threads", "1"]
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, timeout=300)
    (path,) = out.glob("*.csv")
    with path.open() as file:
        return list(csv.DictReader(file))


def test_byte_options_are_measured_at_all_levels_beside_accuracy(tmp_path):
    rows = rows_of("byte_options", tmp_path)
    pictures, small = rows[0], rows[1]
    for row in (pictures, small):
        assert 0 <= float(row["low"]) <= float(row["overall"]) <= float(row["high"]) <= 100
        levels = [float(row[name]) for name in ("information", "payload", "zmtp", "ip")]
        assert levels == sorted(levels)
        assert float(row["equal_verdicts"]) > 90
        assert row["test_samples"] == "32"
        assert row["digest"]
        assert "torch=" in row["versions"]
    assert float(small["payload"]) < float(pictures["payload"]) / 5
    assert [row["seed"] for row in rows] == ["0", "0", "mean", "mean"]


def test_lossless_images_are_larger_than_lossy_ones_and_as_accurate_as_raw_views(tmp_path):
    rows = {row["code"]: row for row in rows_of("image_codes", tmp_path)}
    for code in ("PNG", "WebP lossless"):
        assert rows[code]["all_cloud"] == rows["raw"]["all_cloud"]
        assert float(rows["raw"]["bytes_a_view"]) > float(rows[code]["bytes_a_view"])
    assert float(rows["JPEG 50"]["bytes_a_view"]) < float(rows["JPEG 90"]["bytes_a_view"])
    assert float(rows["JPEG 90"]["bytes_a_view"]) < float(rows["PNG"]["bytes_a_view"])
