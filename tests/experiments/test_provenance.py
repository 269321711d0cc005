"""What rows follow from, and when a network that is there is trained once more."""

import json
from pathlib import Path

import numpy as np
import pytest

from ddnn.training.run import versions
from ddnn.training.settings import settings_for
from experiments.shared.provenance import made_from, settings_text, write_measured
from experiments.shared.rows import MADE, read_csv
from experiments.shared.study import Experiment, Rows, Study, run, study_of
from experiments.shared.variants import cameras


def measure(study: Study, setting: str, seed: int) -> Rows:
    trained = study.train(cameras(study.data), seed=seed, preset="robust", batch=16)
    return {setting: {"overall": 50.0, "own_samples": len(trained.bundle_sha256)}}


EXPERIMENT = Experiment(
    name="own",
    about="",
    settings=lambda _: ["one"],
    measure=measure,
    draw=lambda *_: None,
    published={},
)


def call(out: Path, *options: str) -> Path:
    """The CSV of a call; its only network is then in `out / "runs"`."""
    places = ["--out", str(out), "--runs", str(out / "runs"), "--threads", "1"]
    run(EXPERIMENT, ["--smoke", *places, *options])
    return out / "own-smoke.csv"


def network(out: Path) -> Path:
    return only_folder(out / "runs")


def only_folder(place: Path) -> Path:
    (folder,) = (path for path in place.iterdir() if path.is_dir())
    return folder


def test_settings_are_told_value_by_value_and_not_by_a_preset_that_was_changed():
    text = settings_text(settings_for("paper", epochs=60, batch=32))
    assert "paper" not in text
    assert {"epochs=60", "batch=32", "clip_norms=True"} <= set(text.split())


def test_a_row_says_how_it_came_about(tmp_path):
    (line,) = read_csv(call(tmp_path))
    bundle = json.loads((network(tmp_path) / "bundle/manifest.json").read_text())
    assert {"epochs=1", "batch=16", "keep=best"} <= set(line["settings"].split())
    assert len(line["bundles"]) == 12
    assert f"numpy={np.__version__}" in line["trained_with"]
    assert bundle["versions"]["numpy"] == np.__version__
    assert [name for name in MADE if name != "commit" and not line[name]] == []


def test_rows_of_no_network_name_none(tmp_path):
    made = made_from([])
    assert (made["settings"], made["bundles"]) == ("", "")
    write_measured(tmp_path / "own.csv", ["p50_ms"], [[1.5]])
    (line,) = read_csv(tmp_path / "own.csv")
    assert line["p50_ms"] == "1.5"
    assert line["processor"] == made["processor"] != ""
    assert "bundles" not in line
    write_measured(tmp_path / "own.csv", ["p50_ms"], [[1.5]], bundles=["ab" * 32, "cd" * 32])
    assert read_csv(tmp_path / "own.csv")[0]["bundles"] == "abababababab | cdcdcdcdcdcd"


@pytest.mark.parametrize(
    ("change", "options", "is_trained_again"),
    [({}, [], False), ({"numpy": "0.9"}, [], True), ({}, ["--fresh"], True), ({}, ["old"], True)],
    ids=["equal", "other versions", "fresh", "other bundle"],
)
def test_a_network_is_used_again_only_where_it_is_of_the_same_versions(
    tmp_path, change, options, is_trained_again
):
    call(tmp_path)
    if options == ["old"]:
        manifest = network(tmp_path) / "bundle/manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 1}))
        options = []
    config = network(tmp_path) / "config.json"
    document = json.loads(config.read_text())
    document["versions"] |= change
    config.write_text(json.dumps(document))
    kept = network(tmp_path) / "report.json"  # removed by a training
    kept.write_text("{}")
    call(tmp_path, *options)
    assert kept.exists() is not is_trained_again
    assert json.loads(config.read_text())["versions"] == versions()


def test_a_fresh_call_trains_a_network_once_for_all_its_rows(tmp_path):
    places = ["--runs", str(tmp_path), "--threads", "1"]
    study = study_of(EXPERIMENT, ["--smoke", "--fresh", *places])
    first = measure(study, "one", 0)
    (only_folder(tmp_path) / "report.json").write_text("{}")
    assert measure(study, "two", 0)["two"] == first["one"]
    assert (only_folder(tmp_path) / "report.json").exists()


def test_a_run_to_begin_with_is_named_without_its_place():
    text = settings_text(settings_for("paper", start_from="/home/me/runs/first"))
    assert "start_from=first" in text.split()
