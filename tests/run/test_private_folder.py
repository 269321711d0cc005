"""A launch's folder in the system's place for temporary files."""

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ddnn.errors import LaunchError
from ddnn.run.launcher.private_folder import LOCK, PREFIX, Workplace, own_folder

LAUNCH = """
import sys
from ddnn.run.launcher.private_folder import own_folder
with own_folder() as workplace:
    workplace.put("cam0.npy", lambda path: path.write_bytes(b"views"))
    print(workplace.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def views(path: Path) -> None:
    path.write_bytes(b"views")


def test_the_folder_is_private_and_gone_with_its_launch(temporary):
    with own_folder() as workplace:
        workplace.put("cam0.npy", views)
        assert [path.name for path in temporary.iterdir()] == [workplace.path.name]
        assert stat.S_IMODE(workplace.path.stat().st_mode) == 0o700
    assert not list(temporary.iterdir())


def test_a_folder_is_left_alone_while_its_launch_runs_and_removed_when_that_was_killed(temporary):
    """Whatever process id it had: a lock tells, also in other containers."""
    launch = subprocess.Popen(
        [sys.executable, "-c", LAUNCH],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with launch:
        path = Path(launch.stdout.readline().strip())
        with own_folder():
            assert (path / "cam0.npy").read_bytes() == b"views"
        launch.kill()
    assert path.exists()
    with own_folder() as workplace:
        assert list(temporary.iterdir()) == [workplace.path]


def test_what_no_launch_made_is_left_alone(temporary):
    (temporary / f"{PREFIX}notes").mkdir()
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / LOCK).write_text("")
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    (temporary / f"{PREFIX}file").write_text("")
    before = sorted(temporary.rglob("*"))
    with own_folder():
        pass
    assert sorted(temporary.rglob("*")) == before


def remove_all(workplace: Workplace) -> None:
    shutil.rmtree(workplace.path)


def remove_a_file(workplace: Workplace) -> None:
    (workplace.path / "bundle/sections/cam0.onnx").unlink()


def remove_the_lock(workplace: Workplace) -> None:
    (workplace.path / LOCK).unlink()


@pytest.mark.parametrize("clean", [remove_all, remove_a_file, remove_the_lock])
def test_whoever_cleans_up_costs_a_launch_nothing(clean, temporary):
    with own_folder() as workplace:
        paths = [workplace.put(n, views) for n in ("cam0.npy", "bundle/sections/cam0.onnx")]
        clean(workplace)
        workplace.mend()
        assert [path.read_bytes() for path in paths] == [b"views"] * 2
        assert stat.S_IMODE(workplace.path.stat().st_mode) == 0o700
        with own_folder():
            assert workplace.path.exists()
    assert not list(temporary.iterdir())


def a_link(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    path.symlink_to(path.with_name("elsewhere"))


def an_open_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o755)


@pytest.mark.parametrize("put", [a_link, an_open_folder])
def test_views_are_never_written_where_others_could_read_them(put):
    with own_folder() as workplace:
        shutil.rmtree(workplace.path)
        put(workplace.path)
        with pytest.raises(LaunchError, match="a link, or open to others"):
            workplace.mend()


def test_no_place_for_a_folder_is_said_in_one_line(temporary, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    with pytest.raises(LaunchError, match=r"^no temporary folder can be made: No such file"):
        own_folder().__enter__()


def test_where_nothing_can_be_locked_one_folder_is_made_and_none_is_left(temporary, monkeypatch):
    def without_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with own_folder() as workplace:
        assert list(temporary.iterdir()) == [workplace.path]
    assert list(temporary.iterdir()) == []
