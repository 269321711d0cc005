"""A command that is ended before it has begun."""

import os
import subprocess
import sys
from pathlib import Path

import ddnn

LATE = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()\n"


def test_ctrl_c_while_the_command_is_imported_is_one_line(tmp_path):
    """Here a part of it never comes, for Ctrl-C comes first."""
    (tmp_path / "click.py").write_text(LATE, encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), str(Path(ddnn.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "ddnn", "--version"],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Aborted!\n")
