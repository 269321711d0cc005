"""`ddnn simulate`: what it prints and writes."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders import star_topology
from click.testing import CliRunner, Result

from ddnn.cli.main import ddnn
from ddnn.nodes.gather import Gather


@pytest.fixture
def simulate(train, tmp_path: Path):
    """Runs the command on a bundle and its card; reports go to `out`."""
    trained = train(star_topology(), 60)
    samples = trained.samples
    np.savez(tmp_path / "views.npz", X=samples.views_NVCHW, y=samples.labels_NV)
    card = {"kind": "npz", "path": "views.npz", "classes": list(samples.classes)}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card | {"split": {"by": "sample"}}))
    places = [
        "--data",
        str(tmp_path / "card.yaml"),
        "--split",
        "all",
        "--out",
        str(tmp_path / "out"),
    ]

    def run(*options: str) -> Result:
        arguments = ["simulate", str(trained.bundle.folder), *places, *options]
        return CliRunner().invoke(ddnn, arguments, catch_exceptions=True)

    return run


def report(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out/report.json").read_text())


def test_it_writes_what_a_launch_writes(simulate, tmp_path):
    done = simulate("--samples", "300")
    assert done.exit_code == 0, done.output
    written = report(tmp_path)
    assert (written["command"], written["samples"], written["answered"]) == ("simulate", 300, 300)
    assert written["latency_ms"]["local"]["p50"] > 0
    per = written["bytes"]["per_device_sample"]["payload"]
    assert per == written["bytes"]["per_device_sample_equation"]
    lines = (tmp_path / "out/verdicts.csv").read_text().splitlines()
    assert len(lines) == 301
    assert "events a second" in done.output


def test_a_report_on_standard_output_is_json_and_nothing_else(simulate, tmp_path):
    done = simulate("--samples", "100", "--storm", "20", "--json")
    assert json.loads(done.stdout) == report(tmp_path)


def test_many_seeds_have_a_report_each_and_a_line_in_a_table(simulate, tmp_path):
    done = simulate("--samples", "100", "--storm", "20", "--seeds", "3-5")
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "out/seeds.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["seed", "3", "4", "5"]
    assert {path.name for path in (tmp_path / "out").glob("seed-*")} == {
        "seed-3", "seed-4", "seed-5",
    }  # fmt: skip


def test_a_broken_promise_is_named_and_replayed_from_its_file(simulate, tmp_path, monkeypatch):
    batch = Gather._batch

    def wrong(self, samples_N):
        closed = batch(self, samples_N)
        closed.views_N[0] |= 0b111
        return closed

    monkeypatch.setattr(Gather, "_batch", wrong)
    done = simulate("--samples", "2000", "--storm", "20", "--seeds", "5", "--window", "64")
    assert str(done.exception) == "1 of 1 seeds broke a promise"
    assert "seed 5: broken promise: masked model" in done.output
    file = tmp_path / "out/broken-5.yaml"
    again = simulate("--schedule", str(file))
    assert "seed 5: broken promise: masked model" in again.output
    monkeypatch.setattr(Gather, "_batch", batch)
    assert simulate("--schedule", str(file)).exit_code == 0


@pytest.mark.parametrize("seeds", ["5-3", "x", "1-", "-1"])
def test_seeds_that_are_none_are_a_usage_error(seeds, simulate):
    assert simulate(f"--seeds={seeds}").exit_code == 2


def test_a_schedule_of_another_topology_is_refused(simulate, tmp_path):
    (tmp_path / "schedule.yaml").write_text("topology: other\n")
    refused = simulate("--schedule", str(tmp_path / "schedule.yaml")).exception
    assert "topology: got 'other', this run's is 'star'" in str(refused)


@pytest.mark.parametrize(
    ("trouble", "wanted"),
    [
        ({"kind": "kill", "node": "cam9"}, "troubles.0.node: no node named 'cam9'"),
        ({"kind": "cut", "link": ["cam0", "cam1"]}, "troubles.0.link: no link from cam0 to cam1"),
        ({"kind": "drop", "link": ["collector", "cam1"]}, "drop starts at the collector, want cut"),
        ({"kind": "crash", "node": "cam1"}, "crash: hits the collector"),
        ({"kind": "kill"}, "kill: want either node or link"),
    ],
)
def test_troubles_that_cannot_be_are_refused(trouble, wanted, simulate, tmp_path):
    document = {"topology": "star", "troubles": [{"at_s": 0.1, "for_s": 0.1, **trouble}]}
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(document))
    refused = simulate("--schedule", str(tmp_path / "schedule.yaml")).exception
    assert "schedule.yaml" in str(refused)
    assert wanted in str(refused)


def test_a_profile_is_measured_or_read(simulate, tmp_path):
    assert simulate("--samples", "50", "--profile", "measured").exit_code == 0
    fast = report(tmp_path)["latency_ms"]["local"]["p50"]
    (tmp_path / "profile.yaml").write_text("engines: {cam0: {fixed_us: 20000}}\n")
    assert simulate("--samples", "50", "--profile", str(tmp_path / "profile.yaml")).exit_code == 0
    assert report(tmp_path)["latency_ms"]["local"]["p50"] > fast + 15
