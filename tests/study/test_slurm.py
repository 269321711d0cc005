"""Engine `slurm` on a real Slurm of this machine."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from interrupted import interrupted
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
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent)]))


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
    wait_until(lambda: not queued())


def test_a_queue_that_does_not_answer_loses_no_task(tmp_path, monkeypatch):
    """As where the controller is started again: a task that runs is neither counted as lost nor
    submitted once more."""
    tools, asked, starts = tmp_path / "tools", tmp_path / "asked", tmp_path / "starts"
    tools.mkdir()
    says = "echo 'slurm_load_jobs error: Socket timed out' >&2"
    (tools / "squeue").write_text(f"#!/bin/sh\necho >> {asked}\n{says}\nexit 1\n")
    (tools / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    until = {"asked": str(asked), "starts": str(starts)}
    with open_engine("slurm", tmp_path / "work") as engine:
        (ended,) = engine.run([job("wait_for_looks", places=until, looks=8)])
    assert (ended.answer.result, starts.read_text()) == (8, "started\n")


def queued() -> bytes:
    """Slurm's jobs, a line each."""
    return subprocess.run(["squeue", "--noheader"], capture_output=True, check=True).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_interrupted_takes_its_jobs_from_the_queue(tmp_path, number):
    said, hangs = interrupted("slurm", tmp_path, number)
    assert said.endswith("InterruptError: stopped")
    wait_until(lambda: not queued() and not hangs.exists(), 180)


def test_a_partition_that_is_none_is_named(tmp_path):
    refused = pytest.raises(ddnn.ConfigError, match=r"cannot be submitted, .*partition")
    with refused, open_engine("slurm:gpu", tmp_path) as engine:
        list(engine.run([job("square", n=1)]))
