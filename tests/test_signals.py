"""Tests that run in the background, or under nohup, start processes that signals end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

IGNORED = 'trap "" INT HUP; exec "$@"'
CHILD = "import os, sys; os.kill(os.getpid(), int(sys.argv[1]))"
INNER = f"""
import subprocess, sys
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_what_a_test_starts_is_ended(number):
    done = subprocess.run([sys.executable, "-c", {CHILD!r}, str(number)], stderr=subprocess.PIPE)
    assert done.returncode == -number
"""


@pytest.mark.parametrize("conftest", [True, False], ids=["these tests", "others"])
def test_what_tests_start_is_ended_by_signals_that_their_own_start_ignores(tmp_path, conftest):
    (tmp_path / "test_inner.py").write_text(INNER, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    plugins = ["-p", "no:cacheprovider", *(["-p", "conftest"] if conftest else [])]
    done = subprocess.run(
        ["sh", "-c", IGNORED, "sh", sys.executable, "-m", "pytest", "-q", *plugins, tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (0 if conftest else 1), done.stdout + done.stderr
    assert ("2 passed" if conftest else "2 failed") in done.stdout
