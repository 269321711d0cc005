"""Node processes, forked off a template and started by themselves."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import star_topology
from networks import Trainer
from ports import free_endpoints
from waiting import wait_until

from ddnn.errors import LaunchError
from ddnn.run.child.config import ChildConfig
from ddnn.run.launcher.private_folder import own_folder
from ddnn.run.launcher.processes import Processes, processor_s
from ddnn.run.launcher.start import save_views

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")


def lose_template(processes: Processes) -> None:
    """The next node finds it dead."""
    if processes.template is not None:
        os.kill(processes.template, signal.SIGKILL)


@pytest.fixture(params=["forked", "by itself"])
def processes(request: pytest.FixtureRequest) -> Iterator[Processes]:
    with own_folder() as folder, Processes(folder) as started:
        if request.param == "by itself":
            lose_template(started)
        yield started


@pytest.fixture
def listening(tmp_path: Path, processes: Processes, train: Trainer) -> Callable[[], int]:
    """Starts cam0; gives its process id once its sockets are open."""
    topology = star_topology(1)
    bundle, samples = train(topology, 4)[1:]
    config = ChildConfig(
        bundle=str(bundle.folder),
        node="cam0",
        views=save_views(tmp_path, "cam0", topology, samples),
        endpoints=free_endpoints(topology),
    )

    def start() -> int:
        processes.start(config)
        processes.wait_listening("cam0", 30)
        return processes.pids()["cam0"]

    return start


def files(pid: int) -> set[str]:
    """What the process has open."""
    folder = Path(f"/proc/{pid}/fd")
    return {os.readlink(entry) for entry in folder.iterdir() if os.path.lexists(entry)}


@pytest.mark.process
def test_a_process_that_the_system_does_not_start_is_named_by_its_node():
    """Linux refuses an argument of 128 KiB; a template takes it."""
    with own_folder() as folder, Processes(folder) as processes:
        lose_template(processes)
        with pytest.raises(LaunchError, match=r"^cam0: cannot be started, Argument list too long"):
            processes.start(ChildConfig(bundle="x" * 2**22, node="cam0"))


@pytest.mark.process
def test_a_node_that_cannot_start_says_why(processes, tmp_path):
    processes.start(ChildConfig(bundle=str(tmp_path), origin="runs/mine", node="cam0"))
    processes.wait_all(30)
    assert processes.stopped() == ["cam0"]
    words = processes.last_words("cam0")
    assert words.startswith("runs/mine/manifest.json: ")
    assert words.endswith("(exit code 1)")


@linux
@pytest.mark.process
def test_a_node_is_a_child_of_the_launcher_with_a_group_and_a_name_of_its_own(listening):
    pid = listening()
    parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    assert (int(parent), os.getpgid(pid), os.getsid(pid)) == (os.getpid(), pid, os.getsid(0))
    assert "-m ddnn.run.child {" in line
    assert '"node": "cam0"' in line


@linux
@pytest.mark.process
def test_a_node_has_nothing_open_of_its_launcher_but_two_pipes(processes, listening):
    pid = listening()
    others = files(os.getpid()) | (files(processes.template) if processes.template else set())
    shared = [file for file in files(pid) & others if file.startswith(("pipe:", "socket:"))]
    assert len(shared) == 2


@linux
@pytest.mark.process
def test_a_node_hangs_and_is_killed(processes, listening):
    pid = listening()
    processes.hang("cam0")
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
    assert processes.state("cam0") == "running"
    processes.kill("cam0")
    assert (processes.state("cam0"), processes.last_words("cam0")) == ("killed", "signal 9")
    assert not Path(f"/proc/{pid}").exists()


@linux
@pytest.mark.process
def test_a_node_whose_template_has_died_runs_on_and_starts_again_without_it(processes, listening):
    listening()
    lose_template(processes)
    assert processes.is_running("cam0")
    processes.kill("cam0")
    assert Path(f"/proc/{listening()}").exists()
    assert processes.template is None


@linux
@pytest.mark.process
def test_nothing_is_left_of_a_template_nor_of_who_was_started(tmp_path):
    with own_folder() as folder, Processes(folder) as processes:
        template = processes.template
        processes.start(ChildConfig(bundle=str(tmp_path), node="cam0"))
        node = processes.pids()["cam0"]
    assert [pid for pid in (template, node) if Path(f"/proc/{pid}").exists()] == []


BUSY = """
import sys, time
while time.process_time() < 0.104:
    pass
print(f"{time.process_time():.9f}", flush=True)
sys.stdin.read()
"""


@linux
def test_what_a_waiting_process_has_used_is_known_better_than_to_hundredths_of_a_second():
    with subprocess.Popen(
        [sys.executable, "-I", "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as busy:
        used_s = float(busy.stdout.readline())
        wait_until(lambda: processor_s([busy.pid]) >= used_s)
        assert round(processor_s([busy.pid]) * 1e9) % 10_000_000  # no whole hundredths
        busy.stdin.close()
