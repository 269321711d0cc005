"""`ddnn failures --engine`: one CSV, wherever it is measured."""

from pathlib import Path

import numpy as np
import pytest

import ddnn
from ddnn.data.loading import load
from ddnn.study.subsets import OnEngine
from ddnn.study.worker import perform

FILES = ("subsets.csv", "report.json")


def content(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


@pytest.mark.process
def test_local_gives_the_files_of_one_process_and_goes_on_where_it_was(tmp_path, run):
    ddnn.failures(run, out=tmp_path / "plain")
    courses = []
    out = tmp_path / "local"
    ddnn.failures(run, engine="local:2", out=out, show=courses.append)
    assert content(out) == content(tmp_path / "plain")
    assert (courses[0].taken, courses[-1].done) == (0, 63)
    jobs = sorted((out / "jobs").iterdir())
    for path in jobs[:5]:
        path.unlink()
    courses.clear()
    ddnn.failures(run, engine="local:2", out=out, show=courses.append)
    assert (courses[0].taken, courses[-1].done) == (58, 63)
    assert content(out) == content(tmp_path / "plain")


def test_a_job_refuses_another_network_and_other_data(tmp_path, run, card):
    opened, data = ddnn.open_run(run), load(card)
    other = tmp_path / "other.yaml"
    other.write_text(card.read_text().replace("seed: 3", "seed: 4"))
    on_engine = OnEngine(engine="local", folder=tmp_path, split="test", card=other)
    job = on_engine.jobs(opened, data)[0]
    said = perform(job.to_text())
    assert f"{other}: sha256 {load(other).digest[:12]}, this study is of {data.digest[:12]}" in said
    job.inputs["bundle"] = "0" * 64
    assert f"{run}: sha256 {opened.bundle_sha256[:12]}, this study is of 0000" in perform(
        job.to_text()
    )


def test_there_is_a_job_a_subset_and_no_two_are_equal(tmp_path, run, card):
    jobs = OnEngine(engine="local", folder=tmp_path, split="test").jobs(
        ddnn.open_run(run), load(card)
    )
    assert len({job.key for job in jobs}) == 63
    assert np.mean([len(job.inputs["lost"]) for job in jobs]) == pytest.approx(186 / 63)
