"""`--engine` of a script: the rows that one process measures."""

import csv
import sys
from pathlib import Path

import pytest

from experiments.paper import ablation
from experiments.shared.jobs import module_of
from experiments.shared.study import run


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "ablation-smoke.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_script_is_found_by_its_module_also_as_a_command(monkeypatch):
    assert module_of(ablation.EXPERIMENT) == "experiments.paper.ablation"
    monkeypatch.setitem(sys.modules, "__main__", ablation)
    monkeypatch.delitem(sys.modules, "experiments.paper.ablation")
    assert module_of(ablation.EXPERIMENT) == "experiments.paper.ablation"


@pytest.mark.study
def test_an_engine_gives_the_rows_of_one_process_and_trains_a_network_once(tmp_path):
    asked = ["--smoke", "--threads", "1", "--only", "paper", "batches", "robust"]
    asked += ["--set", "epochs=1", "batch=16"]  # so that paper and batches are one network
    run(ablation.EXPERIMENT, [*asked, "--out", f"{tmp_path}/a", "--runs", f"{tmp_path}/runs-a"])
    places = ["--out", f"{tmp_path}/b", "--runs", f"{tmp_path}/runs-b", "--fresh"]
    run(ablation.EXPERIMENT, [*asked, *places, "--engine", "local:2"])
    one, two = rows(tmp_path / "a"), rows(tmp_path / "b")
    assert one == two
    trained = [folder.name for folder in (tmp_path / "runs-b").iterdir() if folder.is_dir()]
    assert len(trained) == 2
