import json

import pytest
from toy_jobs import job

from ddnn.errors import ConfigError
from ddnn.study.engine import extra, open_engine
from ddnn.study.job import Answer, Job, code_version, sources
from ddnn.study.worker import perform


def test_equal_work_has_one_key_whatever_it_is_called_and_wherever_it_is_read():
    first = Job(function="m:f", inputs={"a": 1, "b": [2]}, label="one", places={"run": "/a"})
    second = Job(function="m:f", inputs={"b": [2], "a": 1}, label="two", places={"run": "/b"})
    assert first.key == second.key


@pytest.mark.parametrize(
    "change", [{"function": "m:g"}, {"inputs": {"a": 2}}, {"code": "ddnn 9"}], ids=str
)
def test_another_function_input_or_code_has_another_key(change):
    same = {"function": "m:f", "inputs": {"a": 1}, "label": "one"}
    assert Job(**same).key != Job(**(same | change)).key


def test_a_job_survives_the_way_as_text():
    sent = job("square", n=3, places={"mark": "x"})
    assert Job.from_text(sent.to_text()) == sent


def test_the_code_is_another_when_a_source_changes(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    before = sources(tmp_path)
    (tmp_path / "a.py").write_text("x = 2\n")
    assert sources(tmp_path) != before
    assert "torch 2" in code_version()


def answer(work: Job) -> Answer:
    return Answer.model_validate_json(perform(work.to_text()))


def test_what_a_job_raises_is_its_answer_in_one_line():
    assert answer(job("square", n=3)).result == 9
    assert answer(job("refuse")).error == "the card is empty"
    found = answer(job("stumble"))
    assert found.error == "ValueError: no such luck"
    assert "stumble" in found.details


def test_a_worker_of_other_code_refuses():
    strange = Job.from_text(json.dumps(json.loads(job("square", n=1).to_text()) | {"code": "x 1"}))
    assert f"has {code_version()}, want that of the study, x 1" in str(answer(strange).error)


@pytest.mark.parametrize("name", ["dask", "local:0", "local:two", ""])
def test_an_engine_that_is_none_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match=r"--engine: got '.*', want "):
        open_engine(name, tmp_path)


def test_what_is_not_installed_is_named_with_its_extra():
    with pytest.raises(
        ConfigError, match=r"nowhere is not installed, want the extra `x`: pip install '\.\[x\]' in"
    ):
        extra("nowhere", name="x")


def test_a_slurm_engine_wants_the_commands_of_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no command sbatch here"):
        open_engine("slurm", tmp_path)
