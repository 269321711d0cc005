"""What is done on one host, by the same process as over ssh."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import wait_until

from ddnn.deploy.on_host import Place
from ddnn.deploy.service import Nobody, Supervised, keeper, write_unit
from ddnn.deploy.supervise import LOG_BYTES, Log
from ddnn.errors import DeployError
from ddnn.live.systemd import host_unit

RUNS = "#!/bin/sh\necho {name} >> ../../said\nexec sleep 1000\n"


def tar_of(**files: str) -> io.BytesIO:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755 if name == "run" else 0o600
            tar.addfile(entry, io.BytesIO(text.encode()))
    content.seek(0)
    return content


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, Nobody())


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    for name in ("0001-a", "0002-b"):
        Place(tmp_path, Nobody()).receive(
            name, 1, tar_of(run='cd "${0%/*}"\n' + RUNS.format(name=name))
        )
    found = Supervised(tmp_path)
    yield found
    found.stop()


def test_a_version_is_there_whole_or_not_at_all(place):
    whole = tar_of(run="", key="secret").getvalue()
    for cut in (700, 1030):
        with pytest.raises((tarfile.TarError, DeployError)):
            place.receive("0001-a", 2, io.BytesIO(whole[:cut]))
        assert list((place.folder / "versions").iterdir()) == []
    place.receive("0001-a", 2, io.BytesIO(whole))
    assert (place.folder / "versions/0001-a/key").stat().st_mode & 0o777 == 0o600
    assert (place.folder / "versions").stat().st_mode & 0o777 == 0o700


def test_a_file_outside_its_version_is_refused(place):
    with pytest.raises(tarfile.TarError):
        place.receive("0001-a", 1, tar_of(**{"../../outside": "x"}))
    assert not (place.folder.parent / "outside").exists()


def test_versions_are_switched_and_those_that_are_not_kept_go(place):
    for number in range(1, 7):
        place.receive(f"{number:04}-a", 1, tar_of(run=""))
    place.switch("0001-a", None)
    assert place.current == "0001-a"
    place.prune(["0004-a", "0006-a"])
    left = {path.name for path in (place.folder / "versions").iterdir()}
    assert left == {"0001-a", "0004-a", "0006-a"}
    with pytest.raises(DeployError, match="no version 0002-a"):
        place.switch("0002-a", "0001-a")
    place.drop("0001-a")  # the current one stays
    assert place.look()["current"] == "0001-a"


def test_of_two_who_switch_at_once_one_is_refused_and_undoes_nothing(place):
    """Each by what it knew when it began; whoever came second goes back from its own alone."""
    for name in ("0001-a", "0001-b", "0002-c"):
        place.receive(name, 1, tar_of(run=""))
    place.switch("0001-a", None)
    with pytest.raises(DeployError, match="has version 0001-a by now, was none"):
        place.switch("0001-b", None)
    place.go_back("0001-b", None)
    assert place.current == "0001-a"
    with place._alone(), pytest.raises(DeployError, match="somebody else just deploys here"):
        Place(place.folder, Nobody()).switch("0002-c", "0001-a")
    place.switch("0002-c", "0001-a")
    place.go_back("0002-c", "0001-a")
    assert place.current == "0001-a"
    place.go_back("0001-a", None)
    assert place.current is None


def test_nothing_can_be_started_where_nothing_is_deployed(place):
    with pytest.raises(DeployError, match="nothing is deployed here"):
        place.start()


def test_another_version_than_all_hosts_have_is_not_started(place):
    """As where an upgrade was killed between two hosts: their keys differ."""
    place.receive("0002-b", 1, tar_of(run=""))
    place.switch("0002-b", None)
    with pytest.raises(DeployError, match="has version 0002-b, want 0001-a: an upgrade broke off"):
        place.start("0001-a")
    place.start("0002-b")


def test_who_never_came_has_nothing_to_undo_whoever_else_is_at_work(place):
    place.receive("0001-a", 1, tar_of(run=""))
    place.switch("0001-a", None)
    with place._alone():
        Place(place.folder, Nobody()).go_back("0002-b", "0001-a")
    assert place.current == "0001-a"


def test_what_is_written_on_a_host_is_for_its_user_alone_whatever_the_umask(tmp_path):
    """Debian's for users is 002, with which nodes would refuse the folder of their keys."""
    content = tmp_path / "content.tar"
    with tarfile.open(content, "w") as tar:
        keys = tarfile.TarInfo("keys")
        keys.type, keys.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(keys)
        run = tarfile.TarInfo("run")
        run.mode = 0o700
        tar.addfile(run)
    folder = tmp_path / "host"
    place = {"folder": str(folder), "service": "none", "unit": ""}
    for step, more in (("receive", {"files": 1}), ("switch", {"was": None})):
        asked = place | {"step": step, "name": "0001-a"} | more
        with content.open("rb") as source:
            done = subprocess.run(
                [sys.executable, "-m", "ddnn.deploy.on_host", json.dumps(asked)],
                stdin=source, capture_output=True, check=True, umask=0,
            )  # fmt: skip
        assert json.loads(done.stdout) == {}
    paths = [folder, *folder.rglob("*")]
    assert {p.name for p in paths if not p.is_symlink() and p.stat().st_mode & 0o077} == set()
    assert {"keys", "lock"} <= {path.name for path in paths}


def test_a_unit_that_is_as_wanted_is_left_alone(tmp_path):
    """A disk that is full would leave none."""
    path = tmp_path / "units" / "ddnn-star-cloud.service"
    write_unit(path, "old")
    first = path.stat().st_ino
    write_unit(path, "old")
    assert path.stat().st_ino == first
    write_unit(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o644)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.process
def test_what_ends_is_started_again_until_it_is_stopped(supervised, tmp_path):
    Place(tmp_path, Nobody()).switch("0001-a", None)
    said = tmp_path / "said"
    supervised.start()
    supervised.start()  # which changes nothing
    wait_until(lambda: said.exists() and said.read_text() == "0001-a\n")
    assert supervised.state() == "running"
    supervisor = int((tmp_path / "supervisor.pid").read_text().split()[0])
    child = int(Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()[0])
    Place(tmp_path, Nobody()).switch("0002-b", "0001-a")
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: said.read_text() == "0001-a\n0002-b\n")
    assert supervised.ends() == 1
    supervised.stop()
    assert supervised.state() == "stopped"


@pytest.mark.process
def test_a_log_is_begun_anew_while_it_runs_and_loses_no_line(tmp_path):
    """Of what runs for months: 10 MB, and as much of before."""
    says = "yes 'a line of eighty characters, or nearly so, of something that runs for months'"
    place = Place(tmp_path, Supervised(tmp_path))
    run = f"#!/bin/sh\n{says} | head -n 300000\necho the end\nexec sleep 1000 > /dev/null 2>&1\n"
    place.receive("0001-a", 1, tar_of(run=run))
    place.switch("0001-a", None)
    place.service.start()
    try:
        wait_until(lambda: place.service.logs(1) == ["the end"])
        sizes = [(tmp_path / name).stat().st_size for name in ("log", "log.1")]
        assert all(size < 10_200_000 for size in sizes)
        kept = [(tmp_path / name).read_text().splitlines() for name in ("log.1", "log")]
        assert {*kept[0], *kept[1][:-1]} == {says[5:-1]}
    finally:
        place.service.stop()  # although its output is closed
    assert place.service.state() == "stopped"


def test_a_log_that_cannot_be_begun_anew_loses_no_line(tmp_path):
    (tmp_path / "log.1" / "in the way").mkdir(parents=True)
    log = Log(tmp_path)
    log.add(b"x" * LOG_BYTES)
    log.add(b"\nthe beginning of a line")
    log.add(b" and its end\n")
    log._file.close()
    assert (tmp_path / "log").read_text().endswith("x\nthe beginning of a line and its end\n")


@pytest.mark.process
def test_what_never_comes_up_is_stopped_and_says_why(tmp_path):
    place = Place(tmp_path, Supervised(tmp_path))
    place.receive("0001-a", 1, tar_of(run='echo \'{"message": "no such port"}\'; exit 1\n'))
    place.switch("0001-a", None)
    with pytest.raises(DeployError, match="does not come up: no such port"):
        place.start()
    assert place.service.state() == "stopped"


def test_the_unit_starts_the_current_version_again_for_ever():
    unit = host_unit(Path("/srv/50% of it"), is_user=False)
    assert 'ExecStart=/bin/sh "/srv/50%% of it/current/run" --log-json' in unit
    assert "Restart=always" in unit
    assert "StartLimitIntervalSec=0" in unit
    assert "WantedBy=multi-user.target" in unit
    assert "WantedBy=default.target" in host_unit(Path("/srv"), is_user=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
@pytest.mark.parametrize("scope", ["--system", "--user"])
def test_systemd_finds_nothing_to_mend(scope, tmp_path):
    folder, path = tmp_path / "50% of it", tmp_path / "ddnn-star-cloud.service"
    folder.mkdir()
    path.write_text(host_unit(folder, is_user=scope == "--user"))
    command = ["systemd-analyze", scope, "verify", "--man=no", str(path)]
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_host_without_systemd_is_told_what_to_say(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match="no systemctl here, want `service: process`"):
        keeper("systemd", tmp_path, "ddnn-x.service").state()
