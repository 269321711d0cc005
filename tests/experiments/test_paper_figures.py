"""Each figure and table of the paper, shortened: rows, means and picture are there and sound."""

import csv
import dataclasses
import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from ddnn.data.multiview import MultiView
from experiments.paper.outage import sight_limit
from experiments.shared.rows import UNITS, Means
from experiments.shared.study import run

pytestmark = pytest.mark.study
SCRIPTS = (
    "table1", "table2", "figure6", "figure8", "figure9", "figure10", "failures", "outage",
    "tiles", "byte_options", "image_codes", "aggregators", "depth",
)  # fmt: skip


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained networks that the scripts share."""
    return tmp_path_factory.mktemp("runs")


def smoke(script: str, out: Path, runs: Path, *options: str) -> Means:
    experiment = import_module(f"experiments.paper.{script}").EXPERIMENT
    places = ["--out", str(out), "--runs", str(runs), "--threads", "1"]
    return run(experiment, ["--smoke", *places, *options])


def checked(script: str, out: Path, runs: Path) -> Means:
    """The means of a script whose files are there and sound."""
    means = smoke(script, out, runs)
    for rows in means.values():
        for values in rows.values():
            for measure, found in values.items():
                assert math.isfinite(found.value)
                assert measure.endswith(UNITS) or 0 <= found.value <= 100
    name = script.replace("_", "-")
    with (out / f"{name}-smoke.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["setting"] for line in lines} == set(means)
    assert all(line["digest"] and line["versions"] and line["seed"] == "0" for line in lines)
    assert (out / f"{name}-smoke.png").stat().st_size > 5000
    return means


@pytest.mark.parametrize("script", SCRIPTS)
def test_rows_means_and_picture_are_written(script, tmp_path, runs):
    assert checked(script, tmp_path, runs)


def test_the_same_seed_gives_the_same_csv(tmp_path):
    for folder in ("first", "second"):
        smoke("figure9", tmp_path / folder, tmp_path / folder / "runs")
    first, second = (
        (tmp_path / folder / "figure9-smoke.csv").read_bytes() for folder in ("first", "second")
    )
    assert first == second


def test_bytes_and_weights_are_those_published(tmp_path, runs):
    means = checked("costs", tmp_path, runs)
    found = [m for rows in means.values() for values in rows.values() for m in values.values()]
    assert len(found) == 8 * 2 + 4 * 3 + 4 + 2
    for mean in found:
        assert abs(mean.value - mean.published) <= 0.5


@pytest.mark.parametrize(
    ("script", "row", "offline"),
    [("launched", "cam5", "offline"), ("edges", "d-device-edge-cloud", "overall")],
)
def test_launched_processes_answer_as_the_offline_network(script, row, offline, tmp_path, runs):
    values = checked(script, tmp_path, runs)[row][row]
    assert values["equal_verdicts"].value == 100
    assert values["launched"].value == values[offline].value


def test_a_list_of_survival_is_a_setting_of_its_own(tmp_path, runs):
    sure = "1,1,1,1,1,1"
    means = smoke("failures", tmp_path, runs, "--survival", sure)
    for preset in ("paper", "robust"):
        expected = means[f"{preset}, survival {sure}"][f"survival {sure}"]["overall"]
        assert expected.value == means[preset]["lost none"]["overall"].value


def test_what_nobody_sees_can_be_right_as_the_commonest_class_alone():
    seen_by_one = [[0, -1], [0, -1], [-1, 1]]
    samples = MultiView(
        views=np.zeros((3, 2, 1, 1, 1), dtype=np.uint8),
        labels_NV=np.array(seen_by_one),
        classes=("bus", "car"),
    )
    assert sight_limit(samples, lost=0) == 1
    assert sight_limit(samples, lost=1) == 1  # the unseen are all of one class
    mixed = dataclasses.replace(samples, labels_NV=np.array([[0, -1], [1, -1], [1, -1]]))
    assert sight_limit(mixed, lost=1) == pytest.approx((1 + 2 / 3) / 2)
    weights_N = np.array([2.0, 1.0, 1.0])  # the only bus is an object of its own
    assert sight_limit(mixed, lost=1, weights_N=weights_N) == pytest.approx((1 + 2 / 4) / 2)
