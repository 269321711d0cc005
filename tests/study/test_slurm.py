"""Engine `slurm` on a real Slurm of this machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from slurm import PROGRAMS, slurm
from toy_jobs import job
from waiting import wait_until

import ddnn
from ddnn.study.engine import open_engine

pytest.importorskip("submitit", reason="needs submitit")
pytestmark = [
    pytest.mark.study,
    pytest.mark.skipif(
        not all(map(shutil.which, PROGRAMS)), reason="needs munge, slurmctld, slurmd, slurm-client"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


@pytest.fixture(scope="module")
def config():
    with slurm() as file:
        yield file


@pytest.fixture(autouse=True)
def _found_there(config, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(config))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def test_slurm_gives_the_files_of_one_process(tmp_path, run):
    ddnn.failures(run, out=tmp_path / "plain")
    ddnn.failures(run, engine="slurm:all", out=tmp_path / "slurm")
    for name in ("subsets.csv", "report.json"):
        assert (tmp_path / "slurm" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_a_lost_task_is_tried_again_and_a_failure_told(tmp_path):
    places = {"mark": str(tmp_path / "mark")}
    jobs = [job("die_once", places=places), job("square", n=3), job("refuse"), job("die")]
    with open_engine("slurm", tmp_path) as engine:
        answers = {each.label: answer for each, answer in engine.run(jobs)}
    once, square, refused, died = (answers[each.label] for each in jobs)
    assert (once.result, square.result) == ("done", 9)
    assert refused.error == "the card is empty"
    assert "was lost, 2 times" in str(died.error)


def test_closing_the_engine_ends_what_runs(tmp_path):
    mark = tmp_path / "mark"
    jobs = [job("square", n=2), job("hang", places={"mark": str(mark)})]
    with open_engine("slurm", tmp_path) as engine:
        assert next(engine.run(jobs)).answer.result == 4
        wait_until(mark.exists)
    queue = ["squeue", "--noheader"]
    wait_until(lambda: not subprocess.run(queue, capture_output=True, check=True).stdout)


def test_a_partition_that_is_none_is_named(tmp_path):
    refused = pytest.raises(ddnn.ConfigError, match=r"cannot be submitted, .*partition")
    with refused, open_engine("slurm:gpu", tmp_path) as engine:
        list(engine.run([job("square", n=1)]))
