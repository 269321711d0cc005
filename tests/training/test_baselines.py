"""Simple answers to the same samples, and what is said where one of them is better."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from tiny import make_samples, make_topology

from ddnn.data.multiview import ABSENT, DataSet, MultiView
from ddnn.report.baselines import WORDS, advice
from ddnn.report.tables import print_offline
from ddnn.training import baselines
from ddnn.training.baselines import (
    BEST_CAMERA,
    COMMONEST,
    LATE_FUSION,
    LINEAR,
    NEAREST,
    fitted,
    own_scores,
    unfused,
)
from ddnn.training.evaluate import evaluate_run
from ddnn.training.run import Run, train_run


@pytest.fixture
def run(tmp_path, card, topology, settings) -> Run:
    return train_run(tmp_path / "run", topology, card, settings)


def grey(levels: list[int], labels: list[int]) -> MultiView:
    """Samples of one view, a flat grey level each."""
    views = np.tile(np.array(levels, np.uint8)[:, None, None, None, None], (1, 1, 1, 4, 4))
    return MultiView(views=views, labels_NV=np.array([labels]).T, classes=("a", "b"))


def test_what_is_fitted_answers_as_reckoned_by_hand():
    known = grey([10, 20, 30, 200, 210], [0, 1, 1, 0, 0])
    found = fitted(known, grey([12, 19, 33, 250], [0, 0, 0, 0]))
    assert found[COMMONEST].predicted_N.tolist() == [0, 0, 0, 0]
    assert found[COMMONEST].name == "a"
    assert found[NEAREST].predicted_N.tolist() == [0, 1, 1, 0]


def test_a_linear_classifier_tells_apart_what_a_line_can():
    levels, labels = [10, 20, 30, 40, 210, 220, 230, 240], [0] * 4 + [1] * 4
    found = fitted(grey(levels, labels), grey([0, 100, 150, 255], [0] * 4))
    assert found[LINEAR].predicted_N.tolist() == [0, 0, 1, 1]


def test_one_class_alone_has_nothing_to_tell_apart():
    assert set(fitted(grey([1, 2], [1, 1]), grey([1], [0]))) == {COMMONEST, NEAREST}


def test_pixels_are_left_out_before_samples_are(monkeypatch):
    seen = []
    monkeypatch.setattr(baselines, "nearest", lambda known, _, step: seen.append((known, step)))
    monkeypatch.setattr(baselines, "usable_bytes", lambda: 32 * 4 * 8 * 4)  # 8 samples of 4 values
    fitted(grey([*range(8)], [0] * 8), grey([1], [0]))
    ((known, step),) = seen
    assert (len(known), step) == (8, 2)


def test_a_nearest_sample_is_found_among_all_blocks(monkeypatch):
    known, samples = make_samples(40), make_samples(40).take(np.arange(40)[::-1])
    monkeypatch.setattr(baselines, "BLOCK", 7)
    found = fitted(known, samples)[NEAREST].predicted_N
    assert found.tolist() == samples.fused_labels_N.tolist()


def test_the_best_camera_is_chosen_on_validation_samples(run, data):
    judged = data.part("validation")
    own_NV = own_scores(run, judged).argmax(axis=2)
    right_V = (own_NV == judged.fused_labels_N[:, None]).sum(axis=0)
    found = unfused(run, data, data.part("test"))
    assert found[BEST_CAMERA].name == data.view_names[int(right_V.argmax())]


def test_late_fusion_is_the_mean_of_the_devices_own_answers(run, data):
    test = data.part("test")
    wanted_N = own_scores(run, test).mean(axis=1).argmax(axis=1)
    found = unfused(run, data, test)[LATE_FUSION].predicted_N
    assert found.tolist() == wanted_N.tolist()
    assert np.allclose(np.exp(own_scores(run, test)).sum(axis=2), 1)


def test_silent_devices_have_no_part_in_late_fusion(tmp_path, card, settings, data):
    topology = make_topology(absent="skip")
    run = train_run(tmp_path / "run", topology, card, settings)
    labels_NV = np.full((2, 3), ABSENT)
    labels_NV[0, 1] = 2
    views = data.samples.views_NVCHW[:2] * (labels_NV != ABSENT)[:, :, None, None, None]
    blind = replace(
        data.samples,
        views=np.maximum(views, (labels_NV != ABSENT)[:, :, None, None, None]).astype("u1"),
        labels_NV=labels_NV,
        labels_N=np.array([2, 2]),
    )
    found = unfused(run, data, blind)[LATE_FUSION].predicted_N
    assert found.tolist() == [own_scores(run, blind)[0, 1].argmax(), run.prior_class]


def test_a_network_without_a_local_exit_has_the_fitted_ones_alone(
    tmp_path, card, settings, data: DataSet
):
    one = data.seen_by([0])
    run = train_run(tmp_path / "run", make_topology("a-cloud-only"), card, settings, data=one)
    assert unfused(run, one, one.part("test")) == {}


def test_an_evaluation_has_baselines_of_the_same_samples(run, data):
    document = evaluate_run(run)
    assert set(document["baselines"]) == set(WORDS)
    test = data.part("test")
    right = fitted(data.part("train"), test)[NEAREST].predicted_N == test.fused_labels_N
    assert document["baselines"][NEAREST]["accuracy"] == right.mean()


@pytest.mark.parametrize("split", ["train", "all"])
def test_no_baseline_is_tried_on_what_it_is_fitted_to(run, split):
    assert "baselines" not in evaluate_run(run, split=split)


def test_no_baseline_stands_beside_a_network_that_loses_devices(run):
    def losses(samples: int):
        return np.zeros((samples, 3), dtype=bool), [{"node": "cam0", "kind": "kill", "sample": 0}]

    assert "baselines" not in evaluate_run(run, losses=losses)


def test_each_baseline_that_is_better_is_told_with_a_remedy():
    better = {"accuracy": 0.9, "interval": (0.8, 1.0), "name": "cam4"}
    worse = {"accuracy": 0.5, "interval": (0.4, 0.6), "name": "car"}
    report = {"accuracy": 0.7, "baselines": {BEST_CAMERA: better, COMMONEST: worse}}
    (line,) = advice(report)
    assert line.startswith("cam4 alone is right for 90.0%, the network for 70.0%: ")
    assert "aggregator" in line
    assert advice({"accuracy": 0.7}) == []


def test_the_table_shows_the_baselines_below_the_network(run):
    document = evaluate_run(run)
    out = StringIO()
    print_offline(document, Console(file=out, width=110))
    lines = out.getvalue().splitlines()
    overall, pixels = (
        next(number for number, line in enumerate(lines) if what in line)
        for what in ("overall", "pixel by pixel")
    )
    assert overall < pixels
