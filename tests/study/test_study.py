"""`ddnn study`: from a file to jobs, from results to tables."""

import csv
from pathlib import Path
from typing import Any

import pytest

import ddnn
from ddnn.errors import ConfigError
from ddnn.study.rows import mean_of, write_means, write_rows
from ddnn.study.studyfile import Plan, read_study

WIDTH = "tiers.device.section.blocks.0.filters"
FILE = f"""\
name: widths
data: few.yaml
topologies: [six-cameras]
change:
  {WIDTH}: [2, 4]
settings:
  epochs: [1]
  learning_rate: [0.01, 0.001]
seeds: [0, 7]
masks: one
"""


@pytest.fixture
def study(tmp_path, card) -> Path:
    (tmp_path / "few.yaml").write_bytes(card.read_bytes())
    path = tmp_path / "study.yaml"
    path.write_text(FILE)
    return path


def plan_of(study: Path, **changes: str) -> Plan:
    """Of the file with lines replaced, by the beginning of what they were."""
    text = study.read_text()
    for old, new in changes.items():
        (line,) = (line for line in text.splitlines() if line.strip().startswith(old))
        text = text.replace(line, new)
    study.write_text(text)
    return read_study(study, runs=study.parent / "runs")


def test_a_grid_has_every_combination_once_with_every_seed(study):
    plan = plan_of(study)
    chosen = [(p.chosen[WIDTH], p.chosen["learning_rate"]) for p in plan.points]
    assert chosen == [(2, 0.01), (2, 0.001), (4, 0.01), (4, 0.001)]
    assert [p.topology.tiers[0].section.blocks[0].filters for p in plan.points] == [2, 2, 4, 4]
    assert {job.inputs["settings"]["learning_rate"] for job in plan.jobs[1]} == {0.001}
    assert [job.inputs["seed"] for job in plan.jobs[0]] == [0, 7]
    assert len({job.key for job in plan.all_jobs}) == len(plan.all_jobs) == 8
    assert [job.inputs["seed"] for job in plan.all_jobs] == [0] * 4 + [7] * 4


@pytest.mark.parametrize(
    ("masks", "count"),
    [("none", 1), ("one", 7), ("all", 63), ("[[cam1], [cam2, cam0], [cam0, cam2]]", 3)],
)
def test_masks_are_sets_of_lost_devices_none_first(study, masks, count):
    found = plan_of(study, masks=f"masks: {masks}").jobs[0][0].inputs["masks"]
    assert (found[0], len(found)) == ([], count)


WRONG = {
    "data": ("data: nowhere", "nowhere"),
    "topologies": ("topologies: [seven-cameras]", "seven-cameras"),
    "masks": ("masks: [[cam9]]", "masks: no device named 'cam9' in six-cameras (known: cam0, "),
    "seeds": ("seeds: 0", "seeds: got 0, want "),
    "learning_rate": ("  learning_rat: [1]", "settings: training: learning_rat: unknown key, did"),
    "epochs": ("  start_from: [x]", "settings.start_from: a study begins with none"),
    "tiers": (
        "  tiers.device.sections.blocks: [1]",
        "change: tiers.device.sections: no such key (known: name, ",
    ),
    "name": ("nam: x", "nam: unknown key, did you mean 'name'?"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_study_is_refused_before_anything_runs(study, what):
    line, said = WRONG[what]
    with pytest.raises(ConfigError) as error:
        plan_of(study, **{what: line})
    assert said in str(error.value)


def test_a_change_that_does_not_fit_names_the_study(study):
    with pytest.raises(ConfigError, match=r"study.yaml: change: tiers.0.section.blocks.0.filters"):
        plan_of(study, tiers=f"  {WIDTH}: [0]")


def result(plan: Plan, at: int, accuracy: float) -> dict[str, Any]:
    """As `ddnn.study.trainings.measure` gives it."""
    masks = plan.jobs[at][0].inputs["masks"]
    return {
        "rows": [
            {
                "lost": lost,
                "accuracy": {"local": 0.5, "cloud": 0.25, "overall": accuracy - 0.1 * number},
                "shares": {"local": 0.75, "cloud": 0.25},
                "payload_bytes": 20.0,
                "energy_uj": None,
                "samples": 16,
            }
            for number, lost in enumerate(masks)
        ]
    }


def test_tables_have_the_order_of_the_study_whatever_came_first(study, tmp_path):
    plan = plan_of(study, masks="masks: [[cam0], [cam1]]")
    results = {
        plan.jobs[at][n].key: result(plan, at, 0.8 - 0.2 * n) for at in (2, 0) for n in (1, 0)
    }
    write_rows(tmp_path / "rows.csv", plan, results)
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row[WIDTH], row["seed"], row["lost"]) for row in rows] == [
        (width, seed, lost)
        for width in ("2", "4")
        for seed in ("0", "7")
        for lost in ("", "cam0", "cam1")
    ]
    assert (rows[1]["overall"], rows[1]["local_share"]) == ("0.700000", "0.750000")
    lines = write_means(tmp_path / "means.csv", plan, results)
    assert [line["lost"] for line in lines] == [0, 1, 0, 1]
    one = lines[1]
    assert (one["sets"], one["seeds"], one["overall_low"]) == (2, 2, None)
    assert one["overall"] == pytest.approx((0.65 + 0.45) / 2)
    assert one["overall_worst"] == pytest.approx((0.6 + 0.4) / 2)


def test_an_interval_is_students_over_three_seeds_and_stays_in_bounds():
    found = mean_of([0.7, 0.8, 0.9], most=1.0)
    assert found == pytest.approx((0.8, 0.8 - 0.2484138, 1.0), abs=1e-6)
    assert mean_of([0.7, 0.9]) == (pytest.approx(0.8), None, None)


@pytest.mark.process
def test_a_study_trains_once_goes_on_and_gives_equal_tables(study, tmp_path):
    study.write_text(FILE.replace("[0.01, 0.001]", "[0.01]"))
    out = tmp_path / "out"
    courses = []
    result = ddnn.run_study(study, out=out, engine="local:2", show=courses.append)
    tables = [(out / name).read_bytes() for name in ("rows.csv", "means.csv")]
    assert (courses[-1].done, courses[-1].failed, len(result.means)) == (4, 0, 4)
    assert len(result.to_pandas()) == 4 * 7
    runs = sorted((out / "runs").glob("six-cameras-*"))
    assert len(runs) == 4
    weights = [(run / "bundle/manifest.json").stat().st_mtime_ns for run in runs]
    study.write_text(study.read_text().replace("masks: one", "masks: none"))
    ddnn.run_study(study, out=out, engine="local:1", show=courses.append)
    assert (courses[-1].done, courses[-1].taken) == (4, 0)
    assert [(run / "bundle/manifest.json").stat().st_mtime_ns for run in runs] == weights
    study.write_text(study.read_text().replace("masks: none", "masks: one"))
    courses.clear()
    ddnn.run_study(study, out=out, show=courses.append)
    assert [(course.done, course.taken) for course in courses] == [(4, 4)]
    assert [(out / name).read_bytes() for name in ("rows.csv", "means.csv")] == tables
