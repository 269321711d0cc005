"""The notebooks, run as programs in a folder of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ddnn

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.py"))
PICTURES = {
    "first_steps.py": "first-steps.png",
    "fault_study.py": "fault-study.png",
    "byte_budget.py": "byte-budget.png",
}


def test_the_page_names_every_notebook():
    text = (FOLDER / "README.md").read_text()
    assert all(f"[{name}]({name})" in text for name in NOTEBOOKS)
    assert len(NOTEBOOKS) == text.count(".py](")


@pytest.mark.study
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_its_first_cell_to_its_last(name, tmp_path):
    shutil.copy(FOLDER / name, tmp_path / name)
    environment = os.environ | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(ddnn.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout
    if name in PICTURES:
        assert (tmp_path / PICTURES[name]).stat().st_size > 5000
