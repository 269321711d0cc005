"""What a run is trained and tried on: whole classes, the same card, the same views."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from tiny import make_samples, make_topology

from ddnn.bundle.load import load_bundle
from ddnn.cli.main import ddnn
from ddnn.errors import ConfigError, DataError, DdnnError
from ddnn.training.run import open_run, train_run
from ddnn.training.settings import settings_for


def call(*arguments: object) -> Result:
    """What the command prints; a DdnnError comes through as it is."""
    result = CliRunner().invoke(ddnn, [str(x) for x in arguments])
    if isinstance(result.exception, DdnnError):
        raise result.exception
    return result


def write_card(folder: Path, views: list[str] | None = None, **changed: np.ndarray) -> Path:
    """96 samples of three views; the card lies beside its data."""
    folder.mkdir(exist_ok=True)
    samples = make_samples(96)
    arrays = {"X": samples.views_NVCHW, "y": samples.labels_NV}
    arrays["split"] = np.repeat([0, 1, 2], [48, 24, 24])
    if views is not None:
        order = [sorted(views).index(view) for view in views]
        arrays |= {"X": arrays["X"][:, order], "y": arrays["y"][:, order]}
        arrays["views"] = np.array(views)
    np.savez(folder / "tiny.npz", **(arrays | changed))
    path = folder / "tiny.yaml"
    path.write_text("kind: npz\npath: tiny.npz\nclasses: [red, green, blue]\nsplit: {by: file}\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on views a, b, c, its card and data beside it."""
    folder = tmp_path_factory.mktemp("trained")
    train(folder, write_card(folder / "data", ["a", "b", "c"]))
    return folder / "run"


def train(folder: Path, card: Path) -> Result:
    topology = folder / "topology.yaml"
    topology.write_text(yaml.safe_dump(make_topology().model_dump(mode="json")))
    return call("train", topology, "--data", card, "--out", folder / "run", "--epochs", 1)


def part_without(part: int, label: int) -> np.ndarray:
    """Parts of which one lacks a class: its samples are in the next part."""
    split = np.repeat([0, 1, 2], [48, 24, 24])
    moved = (split == part) & (make_samples(96).fused_labels_N == label)
    return np.where(moved, (split + 1) % 3, split)


def test_a_class_without_a_training_sample_is_refused_before_anything_is_written(tmp_path):
    card = write_card(tmp_path / "data", split=part_without(0, 2))
    with pytest.raises(DataError, match="class 'blue' has no sample in the train part"):
        train(tmp_path, card)
    with pytest.raises(DataError, match="class 'blue' has no sample in the train part"):
        train_run(tmp_path / "run", make_topology(), card, settings_for("robust", epochs=1))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("part", "line"),
    [
        (1, "no validation sample of class 'blue': thresholds are chosen without it"),
        (2, "no test sample of class 'blue': accuracies are measured without it"),
    ],
    ids=["validation", "test"],
)
def test_a_class_that_another_part_lacks_is_told(tmp_path, part, line):
    result = train(tmp_path, write_card(tmp_path / "data", split=part_without(part, 2)))
    assert result.exit_code == 0
    assert line in result.stderr


def test_of_whole_parts_nothing_is_told_but_which_device_sees_what(tmp_path):
    result = train(tmp_path, write_card(tmp_path / "data", ["left", "right", "zoom"]))
    assert "sample of class" not in result.stderr
    assert "tiny.yaml: views left of cam0, right of cam1, zoom of cam2" in result.stderr


def test_a_card_that_is_a_link_has_its_data_beside_the_link_for_ever(tmp_path):
    write_card(tmp_path / "data").rename(tmp_path / "card.yaml")
    (tmp_path / "data" / "link.yaml").symlink_to("../card.yaml")
    assert train(tmp_path, tmp_path / "data" / "link.yaml").exit_code == 0
    for command in ("evaluate", "calibrate", "failures"):
        assert call(command, tmp_path / "run").exit_code == 0


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "failures", "launch"])
def test_a_card_that_is_gone_is_told_with_the_run_that_wants_it(tmp_path, trained, command):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"card": str(tmp_path / "gone.yaml")}))
    manifest = load_bundle(run).manifest
    moved = manifest.model_copy(update={"data": {"card": str(tmp_path / "gone.yaml")}})
    (run / "bundle/manifest.json").write_bytes(moved.to_bytes())
    with pytest.raises(ConfigError, match=r"gone\.yaml: gone, .*run.* was trained on this card"):
        call(command, run)


def test_the_bundle_keeps_the_names_of_the_views(trained):
    assert load_bundle(trained).manifest.views == ("a", "b", "c")
    assert open_run(trained).views == ("a", "b", "c")


def test_views_are_told_by_name_and_not_by_place(tmp_path, trained):
    before = json.loads(call("evaluate", trained, "--json").stdout)
    card = write_card(tmp_path, ["c", "a", "b"])
    after = json.loads(call("evaluate", trained, "--data", card, "--json").stdout)
    assert after["accuracy"] == before["accuracy"]
    assert after["bytes"] == before["bytes"]


@pytest.mark.parametrize("command", ["evaluate", "failures", "launch"])
def test_data_of_other_views_are_refused_or_mapped(tmp_path, trained, command):
    card = write_card(tmp_path, ["a", "b", "zoom"])
    options = ("--out", tmp_path / "out", "--free-ports") if command == "launch" else ()
    with pytest.raises(ConfigError, match=r"has views a, b, zoom, .* was trained on a, b, c; want"):
        call(command, trained, "--data", card, *options)
    with pytest.raises(ConfigError, match="--map-views: no view 'x' in"):
        call(command, trained, "--data", card, "--map-views", "c=x", *options)
    if command != "launch":
        result = call(command, trained, "--data", card, "--map-views", "c=zoom")
        assert result.exit_code == 0, result.output


def test_a_bundle_without_names_takes_any_views(tmp_path, trained):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    manifest = load_bundle(run).manifest.model_copy(update={"views": None})
    (run / "bundle/manifest.json").write_bytes(manifest.to_bytes())
    assert open_run(run).views == ()
    card = write_card(tmp_path / "data", ["x", "y", "z"])
    assert call("evaluate", run, "--data", card).exit_code == 0
    with pytest.raises(ConfigError, match="keeps no names of views, want it trained anew"):
        call("evaluate", run, "--data", card, "--map-views", "a=x")


@pytest.mark.parametrize("name", ["report.json", "verdicts.csv", "links.csv", "memory.csv"])
def test_a_launch_replaces_no_file_of_others(tmp_path, trained, name):
    out = tmp_path / "notes"
    out.mkdir()
    (out / name).write_text('{"my": "own"}')
    with pytest.raises(ConfigError, match=f"notes: holds a {name} that is not of ddnn launch"):
        call("launch", trained, "--out", out, "--free-ports")
    assert (out / name).read_text() == '{"my": "own"}'
