"""A data set that its process could not hold, with the limit lowered in proportion."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.study
SCRIPT = Path(__file__).parents[2] / "experiments/runtime/past_memory.py"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's RLIMIT_DATA")
def test_it_trains_by_default_and_is_refused_in_one_line_in_memory(tmp_path):
    subprocess.run(
        [sys.executable, SCRIPT, "--smoke", "--out", tmp_path],
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])},
    )
    with (tmp_path / "past-memory.csv").open(newline="") as file:
        default, loaded = csv.DictReader(file)
    assert default["outcome"] == "trained"
    assert int(default["private_mb"]) < int(default["limit_mb"])
    assert loaded["outcome"].startswith("ddnn: ")
