"""A launch's folder in the system's place for temporary files."""

import subprocess
import sys
import tempfile

import pytest

from ddnn.run.workplace import PREFIX, own_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_gone_with_its_launch(temporary):
    with own_folder() as folder:
        (folder / "cam0.npy").write_bytes(b"views")
        assert [path.name for path in temporary.iterdir()] == [folder.name]
    assert not list(temporary.iterdir())


def test_what_a_killed_launcher_left_is_removed_and_nothing_else(temporary):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = temporary / f"{PREFIX}{gone.pid}-abc"
    left.mkdir()
    (left / "cam0.npy").write_bytes(b"views")
    others = [temporary / name for name in (f"{PREFIX}mine-1", "notes")]
    for other in others:
        other.mkdir()
    with own_folder() as first, own_folder() as second:
        assert sorted(temporary.iterdir()) == sorted([*others, first, second])
