"""ddnn's own methods are what the rest of ddnn says of the same networks; others come by name.

Axes: N samples, V views.
"""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from colours import write_card

import ddnn
from ddnn.cli.main import ddnn as command
from ddnn.comparison.compare import METHODS, Asked, compare, train
from ddnn.comparison.networks import cameras
from ddnn.comparison.submission import read_submission
from ddnn.comparison.task import Task, read_task
from ddnn.comparison.trial import Trial, damaged, sent, trial
from ddnn.errors import ConfigError
from ddnn.training.baselines import unfused
from ddnn.training.evaluate import evaluate
from ddnn.training.failures import every_failure
from ddnn.training.run import open_run

EPOCHS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def task(folder) -> Task:
    return read_task(write_card(folder))


@pytest.fixture(scope="module")
def asked(folder) -> Asked:
    return Asked(seeds=1, folder=folder / "networks", epochs=EPOCHS)


def tried(task: Task, method: str, asked: Asked, rate: float = 0.0) -> Trial:
    ready, _ = train(task, method, seed=0, asked=asked)
    return trial(ready, task, sent(ready, task), rate=rate, seed=0)


def test_a_network_is_right_where_evaluation_and_failures_say_so(task, asked):
    found = tried(task, "robust", asked)
    run = open_run(asked.folder / f"colours-six-cameras-robust-{EPOCHS}-0")
    wanted = every_failure(run.joint, task.test, run.rules, prior_class=run.prior_class)
    assert [[f"cam{v}" for v in lost] for lost in found.lost] == [list(x.lost) for x in wanted]
    for right_N, subset in zip(found.right_SN, wanted, strict=True):
        assert np.array_equal(right_N, subset.correct_N)
    assert found.bytes_S[0] == pytest.approx(evaluate(run, task.test).payload_bytes)


def test_one_camera_and_fused_scores_are_the_baselines_of_an_evaluation(task, asked):
    tried(task, "robust", asked)
    run = open_run(asked.folder / f"colours-six-cameras-robust-{EPOCHS}-0")
    wanted = unfused(run, task.data, task.test)
    labels_N = task.test.fused_labels_N
    for method, name in (("best-camera", "best_camera"), ("late-fusion", "late_fusion")):
        found = tried(task, method, asked)
        assert np.array_equal(found.right_SN[0], wanted[name].predicted_N == labels_N)
    assert tried(task, "best-camera", asked).bytes_S[0] == pytest.approx(12 / 3)
    assert tried(task, "late-fusion", asked).bytes_S[0] == pytest.approx(12)


def test_without_the_one_camera_the_commonest_class_answers(task, asked):
    found = tried(task, "best-camera", asked)
    _, how = train(task, "best-camera", seed=0, asked=asked)
    best = task.data.view_names.index(how["camera"])
    gone = [set(lost) == {best} for lost in found.lost].index(True)
    assert found.bytes_S[gone] == 0
    assert np.array_equal(found.right_SN[gone], task.test.fused_labels_N == task.commonest)


def test_pictures_arrive_as_they_were_sent_and_damaged_files_cannot_be_opened(task, asked):
    ready, _ = train(task, "all-cloud-jpeg", seed=0, asked=asked)
    (files,) = ready.encode(0, task.test.views_NVCHW[:, 0])
    clean, pixels = ready.decode(0, 0, files), task.test.views_NVCHW[:, 0] / 255
    assert clean.readable_N.all()
    assert np.abs(clean.values - pixels).mean() < 0.1
    hurt = ready.decode(0, 0, damaged(files, 0.01, 0, 0))
    assert hurt.readable_N.mean() < 0.5
    assert 100 < tried(task, "all-cloud-jpeg", asked).bytes_S[0] < 1000


def test_a_network_is_trained_once_and_again_for_other_settings(task, asked):
    _, how = train(task, "robust", seed=0, asked=asked)
    path = asked.folder / f"colours-six-cameras-robust-{EPOCHS}-0" / "history.jsonl"
    before = path.stat().st_mtime_ns
    assert train(task, "robust", seed=0, asked=asked)[1] == how
    assert path.stat().st_mtime_ns == before
    other = Asked(seeds=1, folder=asked.folder, epochs=1)
    assert train(task, "robust", seed=0, asked=other)[1] != how


@pytest.mark.parametrize("name", ["six-cameras", "six-cameras-raw"])
def test_topologies_are_fitted_to_the_tasks_cameras(task, name):
    topology = cameras(task, name)
    assert topology.devices == ("cam0", "cam1", "cam2")
    assert topology.classes == ("red", "green", "blue")
    assert topology.view.height == 8


def test_a_method_that_nobody_knows_is_refused_with_those_that_are_known(task, asked):
    with pytest.raises(ConfigError, match="method 'best': want one of all-cloud-jpeg, best-camera"):
        compare([task], ["best"], asked)


def test_an_installed_packages_method_takes_part(tmp_path, monkeypatch):
    package = tmp_path / "site" / "rivals-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: rivals\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[ddnn.methods]\nmean-colour = colours:train\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    card = write_card(tmp_path)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        command,
        ["benchmark", "run", "--task", str(card), "--method", "mean-colour", "--out", str(out)],
    )
    assert done.exit_code == 0, done.output
    (result,) = read_submission(out / "submission.json").results
    assert result.mean(0, 0.0) == 1.0
    assert result.mean(2, 0.0, "bytes") == pytest.approx(1.0)
    listed = CliRunner().invoke(command, ["benchmark", "tasks"]).output
    assert "methods: " + ", ".join([*METHODS, "mean-colour"]) in listed
    checked = CliRunner().invoke(command, ["benchmark", "check", str(out / "submission.json")])
    assert checked.output.endswith("1 results on 1 tasks\n")
    shown = CliRunner().invoke(command, ["benchmark", "table", str(out / "submission.json")])
    assert "mean-colour" in shown.output


def test_the_same_call_gives_the_same_file(tmp_path):
    card, found = write_card(tmp_path), []
    for name in ("one", "two"):
        ddnn.benchmark([card], ["late-fusion"], out=tmp_path / name, epochs=1)
        found.append((tmp_path / name / "submission.json").read_bytes())
    assert found[0] == found[1]
