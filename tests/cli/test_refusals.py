"""What the system refuses is told in one line that says which place, and what helps."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from builders import star_topology
from networks import Trainer

from ddnn.cli.main import main
from ddnn.cli.refusals import told
from ddnn.errors import LaunchError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def room(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def caused(message: str, cause: Exception) -> LaunchError:
    error = LaunchError(message)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "cause",
    [
        FULL,
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        OSError("8192 requested and 17 written"),
        caused("cannot be written", FULL),
    ],
    ids=["disk", "quota", "numpy", "deeper"],
)
def test_a_full_folder_for_temporary_files_is_named_with_the_way_to_another(room, cause):
    text = told(caused(f"{room}/ddnn-launch-x/cam0.npy: cannot be written, full", cause))
    assert text.endswith(f", full; want room in {room}, or another folder in TMPDIR")


def test_a_copy_that_finds_no_room_is_one_line(room):
    error = shutil.Error([("a", f"{room}/ddnn-bench-x/b", str(FULL)), ("c", "d", "e")])
    text = told(error)
    assert text.startswith(f"{room}/ddnn-bench-x/b: [Errno 28] No space left on device; want room")
    assert "\n" not in text


def test_another_full_folder_gets_no_advice_about_temporary_files(room):
    assert "TMPDIR" not in told(caused("/mnt/reports/report.json: cannot be written, full", FULL))
    assert "TMPDIR" not in told(caused(f"{room}/ddnn-x/cam0.npy: gone", ValueError()))
    assert told(FULL) == "standard output: No space left on device"
    assert told(OSError(errno.EACCES, "Permission denied", "/x")) == "/x: Permission denied"


def test_where_there_is_no_folder_for_temporary_files_tmpdir_is_named():
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert told(error) == (
        "No usable temporary directory found in ['/tmp']; want one that can be written, TMPDIR "
        "says which"
    )


SMALL = 'mount -t tmpfs -o size=8k none "$0" && TMPDIR="$0" exec "$@"'


def test_a_command_says_so_when_there_is_no_room_for_its_temporary_files(tmp_path):
    known = shutil.which("unshare")
    if not known or subprocess.run([known, "-rm", "true"], check=False).returncode != 0:
        pytest.skip("no mounts of one's own here")
    trained = Trainer(tmp_path / "trained")(star_topology(2), 300)
    np.savez(tmp_path / "data.npz", X=trained.samples.views_NVCHW, y=trained.samples.labels_NV)
    card = tmp_path / "card.yaml"
    card.write_text("kind: npz\npath: data.npz\nclasses: [car, bus, person]\n")
    small = tmp_path / "small"
    small.mkdir()
    command = [sys.executable, "-m", "ddnn", "launch", trained.bundle.folder, "--free-ports"]
    command += ["--data", card, "--split", "all", "--out", tmp_path / "out"]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SMALL, small, *command], capture_output=True, check=False
    )
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert lines[-1].startswith(f"ddnn: {small}/ddnn-")
    assert lines[-1].endswith(f"; want room in {small}, or another folder in TMPDIR")
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize("option", ["keys", "place"])
def test_the_folder_one_is_in_is_not_replaced(tmp_path, monkeypatch, capsys, option):
    bundle = Trainer(tmp_path / "trained")(star_topology(2), 8).bundle.folder
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    arguments = {
        "keys": ["keys", "six-cameras", "--out", "."],
        "place": ["bundle", "split", str(bundle), "--node", "cam0", "--out", "."],
    }[option]
    monkeypatch.setattr("sys.argv", ["ddnn", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "ddnn: .: the folder you are in, want a new folder\n"
    assert list(Path().iterdir()) == []
