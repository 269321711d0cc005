"""Engine `ray` on two nodes of Ray's own, one of which is killed in mid study."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from interrupted import interrupted
from toy_jobs import job
from waiting import wait_until

import ddnn
from ddnn.data.multiview import DataSet
from ddnn.errors import ConfigError, InterruptError
from ddnn.run.interrupt import SIGNALS, interruptible
from ddnn.study.engine import open_engine
from ddnn.study.job import Job
from ddnn.study.subsets import OnEngine
from ddnn.training.failures import failures_run
from ddnn.training.run import Run

pytest.importorskip("ray", reason="needs ray")

pytestmark = [
    pytest.mark.study,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Ray's own processes and logs
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one core each on loopback."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  # starts nothing before it is wanted

    here = Path(__file__).parent
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent)]))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


class Held(OnEngine):
    """Its jobs wait until there is a file `go` in the folder."""

    def jobs(self, run: Run, data: DataSet) -> list[Job]:
        """See OnEngine."""
        return [
            replace(
                job,
                function="toy_jobs:measure_held",
                places={**job.places, "folder": str(self.folder)},
            )
            for job in OnEngine.jobs(self, run, data)
        ]


def test_a_node_killed_in_mid_study_changes_no_byte(tmp_path, run, cluster):
    ddnn.failures(run, out=tmp_path / "plain")
    out = tmp_path / "ray"
    out.mkdir()
    held = Held(engine=f"ray:{cluster.address}", folder=out, split="test")
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill_one, cluster, out)
        failures_run(ddnn.open_run(run), folder=out, find=held)
        killed.result()
    for name in ("subsets.csv", "report.json"):
        assert (out / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def kill_one(cluster, folder: Path) -> None:
    """The second node and what it runs, as a power cut would, while both run a job."""
    try:
        wait_until(lambda: len(list(folder.glob("began-*"))) == 2)
        (second,) = cluster.worker_nodes
        raylet = second.all_processes["raylet"][0].process.pid
        workers = [int(path.name.removeprefix("began-")) for path in folder.glob("began-*")]
        (its_own,) = (pid for pid in workers if parent_of(pid) == raylet)
        cluster.remove_node(second, allow_graceful=False)
        os.kill(its_own, signal.SIGKILL)
    finally:
        (folder / "go").touch()


def parent_of(pid: int) -> int:
    """From the kernel's table."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_interrupted_takes_its_own_ray_with_it(tmp_path, number):
    said, hangs = interrupted("ray", tmp_path, number)
    assert said.endswith("InterruptError: stopped")
    wait_until(lambda: not hangs.exists())


def test_a_study_that_is_interrupted_takes_its_jobs_from_the_cluster(tmp_path, cluster):
    said, hangs = interrupted(f"ray:{cluster.address}", tmp_path, signal.SIGINT)
    assert said.endswith("InterruptError: stopped")
    wait_until(lambda: not hangs.exists())
    with open_engine(f"ray:{cluster.address}", tmp_path) as engine:  # which goes on
        assert [ended.answer.result for ended in engine.run([job("square", n=3)])] == [9]


def test_an_interrupted_study_leaves_signals_to_who_had_them(tmp_path, cluster):
    """While Ray is there and after it, Ctrl-C and the others do what they did before: Ray takes
    SIGTERM for itself as it begins."""

    def handlers() -> dict[signal.Signals, Any]:
        return {number: signal.getsignal(number) for number in SIGNALS}

    def study() -> None:
        with interruptible("stopped"):
            outside = handlers()
            with open_engine(f"ray:{cluster.address}", tmp_path) as engine:
                assert handlers() == outside != before
                for _ in engine.run([job("square", n=n) for n in range(3)]):
                    os.kill(os.getpid(), signal.SIGTERM)

    before = handlers()
    with pytest.raises(InterruptError, match=r"^stopped$"):
        study()
    assert handlers() == before


def test_a_job_that_runs_out_of_memory_each_time_fails(tmp_path):
    """A Ray that takes a hundredth of this machine's memory for all of it."""
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, (here, here.parent, Path(ddnn.__file__).parents[1])))
    full = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "100"}
    subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, str(tmp_path)],
        env=os.environ | full | {"PYTHONPATH": paths},
        capture_output=True, timeout=300, check=True,
    )  # fmt: skip
    error = (tmp_path / "error").read_text(encoding="utf-8")  # the latter where one ended early
    assert error.startswith(("OutOfMemoryError: ", "WorkerCrashedError: ")), error


OUT_OF_MEMORY = """
import sys
from pathlib import Path
from toy_jobs import job
from ddnn.study.engine import open_engine
if __name__ == "__main__":
    with open_engine("ray", Path(sys.argv[1])) as engine:
        (ended,) = engine.run([job("hold_out", places={"mark": sys.argv[1] + "/mark"})])
    Path(sys.argv[1], "error").write_text(str(ended.answer.error), encoding="utf-8")
"""


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"--engine ray:127\.0\.0\.1:1: cannot be joined, "):
        open_engine("ray:127.0.0.1:1", tmp_path)
    with pytest.raises(ConfigError, match=r"ray:head: want ray:HOST:PORT of the head"):
        open_engine("ray:head", tmp_path)
