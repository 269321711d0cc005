"""`ddnn search`: what is asked for, what is best, and that a search goes on where it was."""

import csv
from pathlib import Path

import pytest

import ddnn
from ddnn.errors import ConfigError
from ddnn.study.search import Trial, _best
from ddnn.study.searchfile import Search

pytest.importorskip("optuna", reason="needs optuna")
WIDTH = "tiers.device.section.blocks.0.filters"
FILE = f"""\
name: small
data: few.yaml
topology: six-cameras
space:
  {WIDTH}: {{low: 1, high: 4}}
  tiers.cloud.aggregator: [concat, max]
  settings.learning_rate: {{low: 0.001, high: 0.01, log: true}}
  early_share: {{low: 0.2, high: 0.9}}
settings: {{epochs: 1}}
objectives: [accuracy, bytes, energy]
trials: 5
parallel: 2
"""


@pytest.fixture
def search(tmp_path, card) -> Path:
    (tmp_path / "few.yaml").write_bytes(card.read_bytes())
    path = tmp_path / "search.yaml"
    path.write_text(FILE)
    return path


def test_jobs_measure_validation_with_what_was_chosen(search, tmp_path):
    made = Search(search, runs=tmp_path / "runs")
    chosen = {WIDTH: 3, "tiers.cloud.aggregator": "max", "settings.learning_rate": 0.002}
    (job,) = made.jobs(chosen | {"early_share": 0.5}, "validation", label="trial 0")
    assert job.inputs["topology"]["tiers"][0]["section"]["blocks"][0]["filters"] == 3
    assert job.inputs["topology"]["tiers"][1]["aggregator"] == "max"
    assert job.inputs["settings"]["learning_rate"] == 0.002
    assert (job.inputs["split"], job.inputs["early_share"]) == ("validation", 0.5)


WRONG = [
    ("{low: 1, high: 4}", "{low: 4, high: 1}", "low: got 4, want less than high, 1"),
    ("{low: 1, high: 4}", "{low: 0, high: 4}", "space: tiers.0.section.blocks.0.filters"),
    ("tiers.cloud.aggregator", "tiers.cloud.aggregate", "tiers.cloud.aggregate: no such key"),
    ("settings.learning_rate", "settings.learning", "learning: unknown key"),
    ("[accuracy, bytes, energy]", "[bytes, bytes]", "want each once"),
    ("[accuracy, bytes, energy]", "[speed]", "objectives.0"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_a_wrong_space_is_refused_before_anything_runs(search, tmp_path, old, new, said):
    search.write_text(FILE.replace(old, new))
    with pytest.raises(ConfigError) as error:
        Search(search, runs=tmp_path)
    assert said in str(error.value)
    assert str(search) in str(error.value)


def test_a_card_without_validation_samples_is_refused(search, tmp_path):
    few = tmp_path / "few.yaml"
    few.write_text(few.read_text().replace("validation: 0.2", "validation: 0.0"))
    with pytest.raises(ConfigError, match="holds no validation samples out, want some"):
        Search(search, runs=tmp_path)


def test_the_best_are_those_that_none_surpasses():
    values = [(0.9, 20.0), (0.8, 10.0), (0.8, 15.0), None, (0.95, 30.0), (0.9, 20.0)]
    trials = [Trial(number=n, chosen={}, values=each) for n, each in enumerate(values)]
    best = _best(trials, ["maximize", "minimize"])
    assert [trial.number for trial in best] == [4, 0, 5, 1]


@pytest.mark.process
def test_a_search_goes_on_where_it_was_and_chooses_the_same(search, tmp_path):
    whole, courses = tmp_path / "whole", []
    result = ddnn.run_search(search, out=whole, engine="local:2")
    with (whole / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert all(1 <= int(row[WIDTH]) <= 4 and float(row["energy_uj"]) > 0 for row in rows)
    assert {trial.number for trial in result.best} <= set(range(5))
    assert all(trial.test is not None for trial in result.best)
    assert (whole / "pareto.png").read_bytes()[:4] == b"\x89PNG"
    part = tmp_path / "part"
    search.write_text(FILE.replace("trials: 5", "trials: 2"))
    ddnn.run_search(search, out=part, engine="local:2")
    search.write_text(FILE)
    ddnn.run_search(search, out=part, engine="local:1", show=courses.append)
    assert (courses[0].jobs, courses[0].taken) == (2, 2)
    for name in ("trials.csv", "pareto.csv"):
        assert (part / name).read_bytes() == (whole / name).read_bytes()
