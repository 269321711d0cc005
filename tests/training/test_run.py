"""The commands, as a user calls them."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from tiny import make_samples, make_topology

from ddnn.bundle.load import load_bundle
from ddnn.cli.main import ddnn
from ddnn.data.loading import load
from ddnn.errors import BundleError, ConfigError, DataError, DdnnError
from ddnn.report.reference import read_reference
from ddnn.run.outcome import Outcome, write_outcome
from ddnn.runfolder import BUNDLED, REPORTS, TRAINING, is_finished, remove
from ddnn.seal import KEY
from ddnn.training.epoch import Epoch
from ddnn.training.evaluate import evaluate, report, sweep
from ddnn.training.run import open_run, resume_run, train_run


@pytest.fixture
def topology_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-topology.yaml"
    path.write_text(yaml.safe_dump(make_topology().model_dump(mode="json")))
    return path


def call(*arguments: object) -> Result:
    """What the command prints; a DdnnError comes through as it is."""
    result = CliRunner().invoke(ddnn, [str(x) for x in arguments])
    if isinstance(result.exception, DdnnError):
        raise result.exception
    return result


@pytest.fixture
def run(tmp_path: Path, topology_file: Path, card: Path) -> Path:
    folder = tmp_path / "run"
    result = call("train", topology_file, "--data", card, "--out", folder, "--epochs", 2)
    assert result.exit_code == 0, result.output
    return folder


def test_train_leaves_a_whole_run_folder(run):
    names = {path.name for path in run.iterdir()}
    assert {
        "config.json", "history.jsonl", "checkpoint.safetensors",
        "bundle", "report.json", "verdicts.csv", "thresholds.csv", "validation.json",
    } == names  # fmt: skip
    bundle = load_bundle(run)
    report = json.loads((run / "report.json").read_bytes())
    assert report["bundle_sha256"] == bundle.sha256
    assert report["calibrated_on"] == "validation"
    assert report["samples"] == report["answered"] == 24
    with (run / "verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert right / 24 == pytest.approx(report["accuracy"])


def test_report_has_the_fixed_names(run):
    report = json.loads(call("evaluate", run, "--json").stdout)
    assert {"accuracy", "accuracy_interval", "exits", "degraded", "nodes", "bytes"} <= set(report)
    assert {"samples", "share", "accuracy", "all_samples_accuracy"} <= set(report["exits"]["local"])
    payload = report["bytes"]["per_device_sample"]["payload"]
    share = report["exits"]["local"]["share"]
    assert payload == pytest.approx(12 + (1 - share) * 4 * 16 / 8)
    links = sum(link["payload"] for link in report["bytes"]["links"])
    assert links == pytest.approx(payload * 3 * report["samples"])


def test_evaluate_takes_other_data_and_splits(run, card):
    report = json.loads(call("evaluate", run, "--data", card, "--split", "all", "--json").stdout)
    assert report["samples"] == 96
    assert report["data"]["split"] == "all"


def test_evaluate_masks_what_a_plan_silences(run, tmp_path):
    plan = tmp_path / "plan.yaml"
    failure = {"node": "cam1", "kind": "hang", "at": {"sample": 4}, "for": {"samples": 8}}
    plan.write_text(yaml.safe_dump({"topology": "c-devices-cloud", "failures": [failure]}))
    report = json.loads(call("evaluate", run, "--plan", plan, "--json").stdout)
    with (run / "verdicts.csv").open() as file:
        present = [row["present"] for row in csv.DictReader(file)]
    assert present == ["111"] * 4 + ["101"] * 8 + ["111"] * 12
    done = [(e["kind"], e["sample"], e["applied"]) for e in report["failures"]]
    assert done == [("hang", 4, True), ("hang ends", 12, True)]
    assert "cam1: hang before sample 4" in call("evaluate", run, "--plan", plan).stdout
    plan.write_text(plan.read_text().replace("sample:", "seconds:").replace("samples:", "seconds:"))
    with pytest.raises(ConfigError, match=r"failures\.0\.at: got seconds, want a sample"):
        call("evaluate", run, "--plan", plan)


def test_samples_nobody_delivers_are_answered_alike_in_report_and_thresholds(run):
    nobody = np.zeros((24, 3), dtype=bool)
    for prior_class in range(3):
        opened = replace(open_run(run), prior_class=prior_class)
        evaluation = evaluate(opened, make_samples(24), nobody)
        wanted = evaluation.verdicts.correct_N.mean()
        assert {row["accuracy"] for row in sweep(evaluation)} == {wanted}
        exits = report(opened, evaluation)["exits"].values()
        assert {part["all_samples_accuracy"] for part in exits} == {wanted}


def test_failures_lists_every_subset(run):
    report = json.loads(call("failures", run, "--json").stdout)
    assert report["subsets"] == 7
    assert set(report["lost"]) == {"0", "1", "2"}
    assert set(report["lost"]["1"]["overall"]) == {"mean", "worst", "worst_lost"}
    lines = (run / "failures" / "subsets.csv").read_text().splitlines()
    assert len(lines) == 1 + 7
    assert "worst set (overall)" in call("failures", run).stdout


def test_calibrate_writes_the_rules_into_the_bundle(run):
    before = load_bundle(run).manifest
    rules = json.loads(call("calibrate", run, "--early-share", 1, "--json").stdout)
    after = load_bundle(run).manifest
    assert after.exits["local"].threshold == rules["exits"]["local"]["threshold"]
    assert rules["validation"]["early_share"] == 1.0
    assert after.sha256 == before.sha256
    report = json.loads(call("evaluate", run, "--split", "validation", "--json").stdout)
    assert report["exits"]["local"]["share"] == 1.0
    assert report["bytes"]["per_device_sample"]["payload"] == 12
    kept = read_reference(run, load_bundle(run).sha256)
    assert kept is not None
    assert kept.exits["local"] == kept.samples == report["samples"]
    assert sum(kept.entropy) == kept.samples
    assert {name: sum(counts) for name, counts in kept.scores.items()} == dict.fromkeys(
        load_bundle(run).topology.devices, kept.samples
    )


def test_thresholds_from_training_samples_are_told_as_such(tmp_path, topology_file, card):
    card.write_text(card.read_text().replace("{by: file}", "{by: sample, validation: 0}"))
    folder = tmp_path / "run"
    trained = call("train", topology_file, "--data", card, "--out", folder, "--epochs", 1)
    said = "T chosen on training data: the card holds no validation samples out"
    assert said in trained.stdout
    assert said in call("report", folder).stdout
    assert json.loads((folder / "report.json").read_bytes())["calibrated_on"] == "train"
    assert json.loads(call("calibrate", folder, "--json").stdout).keys() == {"exits", "train"}
    assert "\non training data: " in call("calibrate", folder).stdout
    with pytest.raises(ConfigError, match="5 bytes on training data, least is"):
        call("calibrate", folder, "--bytes", 5)


def test_an_empty_split_is_named(run, card, tmp_path):
    other = tmp_path / "no-test.yaml"
    other.write_text(card.read_text().replace("{by: file}", "{by: sample, test: 0.0}"))
    said = r"no-test\.yaml: no samples in its split 'test', want at least one"
    for command in ("evaluate", "failures"):
        with pytest.raises(DataError, match=said):
            call(command, run, "--data", other)
    topology = tmp_path / "tiny-topology.yaml"
    with pytest.raises(DataError, match=said):
        call("train", topology, "--data", other, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_is_not_overwritten_unasked(run, topology_file, card):
    arguments = ("train", topology_file, "--data", card, "--out", run, "--epochs", 1)
    with pytest.raises(ConfigError, match="holds a run already"):
        call(*arguments)
    assert call(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize("option", [(), ("--overwrite",)], ids=["", "--overwrite"])
@pytest.mark.parametrize("own", ["mine.txt", "config.json"])
def test_a_folder_that_is_no_run_is_not_written_into(tmp_path, topology_file, card, own, option):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / own).write_text("{}")
    with pytest.raises(ConfigError, match="mine: not empty and no run of ddnn train, want a new"):
        call("train", topology_file, "--data", card, "--out", folder, "--epochs", 1, *option)
    assert files_of(folder) == {own: b"{}"}


def test_an_empty_folder_becomes_a_run(tmp_path, topology_file, card):
    (tmp_path / "empty").mkdir()
    arguments = ("--out", tmp_path / "empty", "--epochs", 1)
    assert call("train", topology_file, "--data", card, *arguments).exit_code == 0


def files_of(folder: Path) -> dict[str, bytes]:
    """Of a run, by name."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


WRONG_OPTIONS = [
    (("--exit-weight", "edge", "0.5"), "exit_weights: got 'edge', want exits"),
    (("--exit-weight", "local", "1e9"), "exit_weights"),
    (
        ("--exit-weight", "local", "0", "--exit-weight", "cloud", "0"),
        "^exit weights local 0, cloud 0: no exit learns, want at least one above 0",
    ),
    (("--freeze", "edge"), "freeze: got 'edge', want any of"),
    (("--freeze", "device", "--freeze", "cloud"), "want a part left to train"),
    (("--start-from", "DAMAGED"), "weights.safetensors"),
]


@pytest.mark.parametrize("mistake", WRONG_OPTIONS, ids=lambda mistake: " ".join(mistake[0]))
def test_a_training_that_cannot_start_leaves_the_run_as_it_is(
    run, tmp_path, topology_file, card, mistake
):
    options, words = mistake
    shutil.copytree(run, tmp_path / "damaged")
    (tmp_path / "damaged/bundle/weights.safetensors").write_bytes(b"x" * 40)
    given = [tmp_path / "damaged" if x == "DAMAGED" else x for x in options]
    before = files_of(run)
    arguments = ("train", topology_file, "--data", card, "--epochs", 1, *given)
    with pytest.raises(DdnnError, match=words):
        call(*arguments, "--out", run, "--overwrite")
    assert files_of(run) == before
    with pytest.raises(DdnnError, match=words):
        call(*arguments, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("checkpoint", [b"x" * 1000, None], ids=["damaged", "gone"])
def test_resume_without_a_sound_checkpoint_leaves_the_run_as_it_is(run, checkpoint):
    path = run / "checkpoint.safetensors"
    path.unlink() if checkpoint is None else path.write_bytes(checkpoint)
    before = files_of(run)
    with pytest.raises(DdnnError, match=r"checkpoint\.safetensors"):
        call("train", "--resume", run, "--epochs", 4)
    assert files_of(run) == before


def test_a_training_cut_in_its_first_epoch_starts_again(run):
    for name in TRAINING:
        (run / name).unlink()
    whole = load_bundle(run).sha256
    assert call("train", "--resume", run).exit_code == 0
    assert load_bundle(run).sha256 == whole


@pytest.mark.parametrize("command", ["evaluate", "launch", "calibrate", "failures"])
def test_weights_that_are_not_the_bundles_are_refused(run, command):
    path = run / "bundle/weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle/weights\.safetensors: sha256 .*…, want "):
        call(command, run)


def test_a_bundle_that_is_gone_is_made_again(run):
    whole = load_bundle(run).sha256
    shutil.rmtree(run / "bundle")
    said = f"{run}: has all its 2 epochs but no bundle, make it with ddnn train --resume {run}"
    for command in ("evaluate", "launch"):
        with pytest.raises(ConfigError) as caught:
            call(command, run)
        assert str(caught.value) == said
    assert call("train", "--resume", run).exit_code == 0
    assert load_bundle(run).sha256 == whole


@pytest.mark.parametrize(
    "command", ["evaluate", "launch", "calibrate", "failures", "train --resume", "node"]
)
def test_a_card_that_is_gone_is_told_with_the_run_that_wants_it(run, card, command):
    card.unlink()
    words = [*command.split(), run, *({"node": ["cam0"]}.get(command, []))]
    words += ["--epochs", 3] if "resume" in command else []
    with pytest.raises(ConfigError) as caught:
        call(*words)
    assert str(caught.value).startswith(f"{card}: gone, {run}")


def older(manifest: bytes) -> bytes:
    """As a ddnn wrote it that sealed no manifests."""
    document = json.loads(manifest) | {"schema_version": 1}
    del document[KEY]
    return json.dumps(document, indent=2).encode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (older, "of bundle version 1, this ddnn reads 2: make it again with ddnn train --resume"),
        (lambda content: content.replace(b"tiny", b"tidy"), "not as it was written, make it again"),
        (lambda content: content[:-9], "not JSON, make it again with ddnn train --resume"),
    ],
    ids=["older", "changed", "cut off"],
)
def test_a_bundle_that_cannot_be_used_is_made_again_by_the_command_it_names(run, changed, said):
    whole, path = load_bundle(run).sha256, run / "bundle/manifest.json"
    path.write_bytes(changed(path.read_bytes()))
    with pytest.raises(BundleError) as caught:
        call("evaluate", run)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert str(caught.value).endswith(f"ddnn train --resume {run}")
    assert call("train", "--resume", run).exit_code == 0
    assert load_bundle(run).sha256 == whole


def test_a_run_gone_on_with_and_interrupted_is_used_as_it_was(run):
    call("calibrate", run, "--early-share", 1)
    report = json.loads(call("evaluate", run, "--json").stdout)
    before = {name: content for name, content in files_of(run).items() if "/" in name}

    def interrupt(_: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume_run(run, epochs=4, on_epoch=interrupt)
    assert not is_finished(run)
    assert before.items() <= files_of(run).items()
    assert json.loads((run / "report.json").read_bytes()) == report
    assert json.loads(call("evaluate", run, "--json").stdout) == report
    call("failures", run)
    assert call("train", "--resume", run).exit_code == 0
    assert is_finished(run)
    assert load_bundle(run).sha256 != report["bundle_sha256"]
    assert not (run / "failures").exists()


def test_resume_goes_on_to_more_epochs(run):
    result = call("train", "--resume", run, "--epochs", 3)
    assert result.exit_code == 0, result.output
    assert len((run / "history.jsonl").read_text().splitlines()) == 3


def test_resume_goes_on_with_the_data_that_the_card_alone_does_not_give(
    tmp_path, card, topology, settings
):
    chosen = load(card).seen_by([2, 0, 1])
    folders = tmp_path / "whole", tmp_path / "cut"
    whole = train_run(folders[0], topology, card, settings, data=chosen)

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(folders[1], topology, card, settings, data=chosen, on_epoch=interrupt)
    with pytest.raises(ConfigError, match="the data's digest is"):
        resume_run(folders[1])
    assert resume_run(folders[1], data=chosen).bundle_sha256 == whole.bundle_sha256


def test_resume_refuses_changed_data_and_leaves_the_run_as_it_is(run, card):
    before = (run / "config.json").read_bytes()
    card.write_text(card.read_text().replace("{by: file}", "{by: sample, seed: 7}"))
    with pytest.raises(ConfigError, match="the data's digest is"):
        call("train", "--resume", run, "--epochs", 3)
    assert (run / "config.json").read_bytes() == before
    assert load_bundle(run)


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "failures", "launch"])
def test_a_card_that_has_changed_since_the_training_is_refused_unless_asked_for(run, card, command):
    card.write_text(card.read_text().replace("{by: file}", "{by: sample, seed: 7}"))
    with pytest.raises(ConfigError, match=r"tiny\.yaml: the data's digest is .* was trained on "):
        call(command, run)
    if command in ("evaluate", "failures"):
        assert call(command, run, "--data", card).exit_code == 0


def test_resume_says_that_a_run_has_all_its_epochs_and_keeps_its_bundle(run):
    call("calibrate", run, "--early-share", 1)
    before = (run / "bundle/manifest.json").read_bytes()
    result = call("train", "--resume", run)
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    assert f"{run}: has all its 2 epochs, --epochs N with a larger N goes on" in result.stderr
    assert (run / "bundle/manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--learning-rate", 5), "--learning-rate"),
        (("--freeze", "device", "--seed", 0), "--seed, --freeze"),
        (("--data", "rendered"), "--data"),
        (("c-devices-cloud",), "c-devices-cloud"),
    ],
)
def test_resume_refuses_what_it_would_not_follow(run, given, named):
    result = call("train", "--resume", run, *given)
    assert result.exit_code == 2
    assert f"want no {named}\n" in result.output


def test_resume_checks_how_many_epochs_are_wanted_before_it_writes(run):
    before = (run / "config.json").read_bytes()
    with pytest.raises(ConfigError, match="--epochs 200000: epochs: got 200000, want less than"):
        resume_run(run, epochs=200_000)
    assert (run / "config.json").read_bytes() == before


def test_a_report_from_before_the_last_calibration_says_so(run):
    assert call("report", run).stderr == ""
    call("calibrate", run, "--early-share", 1)
    assert "report.json: the bundle has changed since" in call("report", run).stderr
    training = load_bundle(run).manifest.training
    assert training["validation"]["early_share"] == 1


def test_resume_refuses_fewer_epochs_than_are_done(run):
    with pytest.raises(ConfigError, match=r"--epochs 1: .*run has 2, want at least as many"):
        call("train", "--resume", run, "--epochs", 1)


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate",),
        ("calibrate",),
        ("failures",),
        ("launch",),
        ("report",),
        ("bundle", "split", "--node", "cam0", "--out", "x"),
    ],
    ids=lambda command: command[0],
)
def test_an_interrupted_run_is_told_from_a_damaged_one(unfinished, command):
    with pytest.raises(ConfigError) as caught:
        call(*command, unfinished)
    said = "training stopped at epoch 1 of 4, finish it with ddnn train --resume"
    assert str(caught.value) == f"{unfinished}: {said} {unfinished}"


@pytest.fixture
def unfinished(tmp_path, topology, card, settings) -> Path:
    """A run that was interrupted in its second epoch of four."""

    def interrupt(_: Epoch) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "unfinished"
    settings = settings.model_copy(update={"epochs": 4})
    with pytest.raises(KeyboardInterrupt):
        train_run(folder, topology, card, settings, on_epoch=interrupt)
    return folder


def test_every_file_of_a_run_is_known(run):
    """So that none outlives the weights it follows from."""
    call("failures", run)
    found = evaluate(open_run(run), make_samples(4)).verdicts
    write_outcome(run / "launch", Outcome(report={"bytes": {"links": []}}, verdicts=found))
    remove(run, (*BUNDLED, *REPORTS, *TRAINING))
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_a_new_training_removes_what_followed_from_the_old_weights(run, topology, card, settings):
    """Whenever it is interrupted, nothing in the folder claims to be of the new network."""
    call("failures", run)
    (run / "launch").mkdir()
    (run / "launch/report.json").write_text("{}")
    (run / "failures/notes.txt").write_text("mine")
    left = []

    def look(_: Epoch) -> None:
        left.append(sorted(p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()))

    train_run(run, topology, card, settings, overwrite=True, on_epoch=look)
    trained = ["checkpoint.safetensors", "config.json", "failures/notes.txt", "history.jsonl"]
    assert left[0] == trained
    assert (run / "bundle/manifest.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "six-cameras", "--data", "CARD", "--out", "OUT"), "views x channels"),
        (("train", "six-camera", "--data", "CARD", "--out", "OUT"), "did you mean 'six-cameras'"),
        (("train", "TOPOLOGY", "--data", "CARD", "--out", "CARD/x"), "cannot be written"),
        (("evaluate", "OUT"), "want a folder of ddnn train"),
        (("train", "--resume", "OUT"), "want a folder of ddnn train"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, card, topology_file, arguments, words):
    places = {
        "CARD": card,
        "OUT": tmp_path / "out",
        "TOPOLOGY": topology_file,
        "CARD/x": card / "x",
    }
    with pytest.raises(DdnnError, match=words) as caught:
        call(*(places.get(x, x) for x in arguments))
    assert "\n" not in str(caught.value)


def test_data_that_do_not_fit_are_named_with_the_file_that_wants_others(
    run, tmp_path, topology_file
):
    small = tmp_path / "small.yaml"
    small.write_text("kind: rendered\nsamples: 20\n")
    sizes = "has views x channels x height x width 6 x 3 x 32 x 32, {} wants 3 x 3 x 8 x 8"
    with pytest.raises(ConfigError) as caught:
        call("train", topology_file, "--data", small, "--out", tmp_path / "out")
    assert str(caught.value) == f"{small}: {sizes.format(topology_file)}"
    for command in ("evaluate", "failures", "launch"):
        with pytest.raises(ConfigError) as caught:
            call(command, run, "--data", small)
        place = run / "bundle" if command == "launch" else run
        assert str(caught.value) == f"{small}: {sizes.format(place)}"


@pytest.mark.parametrize("start", ["gone", "run"])
def test_a_run_is_not_removed_for_one_that_cannot_begin(run, topology_file, card, start):
    arguments = ("--out", run, "--overwrite", "--start-from", run.parent / start)
    with pytest.raises(ConfigError, match=f"--start-from .*{start}.*: .* want"):
        call("train", topology_file, "--data", card, *arguments)
    assert load_bundle(run)


def test_weights_to_begin_with_are_found_again_from_another_folder(run, card, monkeypatch):
    opened, following = open_run(run), run.parent / "next"

    def interrupt(_: Epoch) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(run.parent)
    settings = opened.config.settings.model_copy(update={"start_from": run.name})
    with pytest.raises(KeyboardInterrupt):
        train_run(following, opened.topology, card, settings, on_epoch=interrupt)
    remove(following, TRAINING)  # as if interrupted in the first epoch
    monkeypatch.chdir("/")
    assert resume_run(following).config.settings.start_from == str(run)


def test_missing_arguments_are_a_usage_error():
    result = call("train", "six-cameras")
    assert result.exit_code == 2
    assert "want TOPOLOGY, --data CARD and --out RUN" in result.output
