"""N samples, V views, K classes."""

import csv

import numpy as np
import pytest
from networks import random_run
from tiny import make_topology

from ddnn.data.loading import load
from ddnn.decision import decide
from ddnn.report.verdicts import wilson_interval
from ddnn.training.evaluate import SWEEP, evaluate, evaluate_run, report, sweep
from ddnn.training.predict import predict
from ddnn.training.run import Run

LOST = np.arange(3) != np.array([[1]] * 48 + [[2]] * 48)
"""(N, V): half of the samples without cam1, half without cam2."""
SCORES, FEATURES = 12, 8
"""Bytes of a device and sample: 3 classes, and 4 filters of 16 bits."""


@pytest.fixture
def run(topology, data, tmp_path) -> Run:
    return random_run(topology, data.samples, tmp_path / "run")


def test_an_evaluation_is_of_the_devices_that_are_present(run, data):
    evaluation = evaluate(run, data.samples, LOST)
    wanted = predict(run.joint, data.samples, LOST)
    for name, logits_NK in evaluation.logits.items():
        np.testing.assert_array_equal(logits_NK, wanted[name])
    verdicts = evaluation.verdicts
    np.testing.assert_array_equal(verdicts.present_NV, LOST)
    local = decide(wanted["local"], run.rules["local"].temperature)
    sure_N = local.entropy_N < run.rules["local"].threshold
    np.testing.assert_array_equal(evaluation.local_N, sure_N)
    np.testing.assert_array_equal(verdicts.predicted_N[sure_N], local.predicted_N[sure_N])
    cloud_N = wanted["cloud"].argmax(axis=1)
    np.testing.assert_array_equal(verdicts.predicted_N[~sure_N], cloud_N[~sure_N])
    assert evaluation.local_share == sure_N.mean()
    bytes_ = 2 / 3 * (SCORES + FEATURES * (~sure_N).mean())
    assert evaluation.payload_bytes == pytest.approx(bytes_)


def test_the_report_has_each_exit_on_all_samples_and_on_its_own(run, data):
    evaluation = evaluate(run, data.samples, LOST)
    document = report(run, evaluation)
    labels_N = data.samples.fused_labels_N
    for number, (name, logits_NK) in enumerate(evaluation.logits.items()):
        told = document["exits"][name]
        right_N = logits_NK.argmax(axis=1) == labels_N
        assert told["all_samples_accuracy"] == right_N.mean()
        assert told["all_samples_interval"] == wilson_interval(int(right_N.sum()), 96)
        classes = {c: int(right_N[labels_N == k].sum()) for k, c in enumerate(data.samples.classes)}
        assert told["all_samples_classes"] == classes
        here_N = evaluation.verdicts.exit_N == number
        assert told["accuracy"] == right_N[here_N].mean()
        rule = run.rules[name]
        assert (told["threshold"], told["temperature"]) == (rule.threshold, rule.temperature)
    assert (document["seed"], document["calibrated_on"]) == (3, "validation")


def test_bytes_are_told_by_link_and_by_node(run, data):
    document = report(run, evaluate(run, data.samples, LOST))
    up = 96 - document["exits"]["local"]["samples"]
    links = {(link["from"], link["to"]): link["payload"] for link in document["bytes"]["links"]}
    assert links["cam0", "gateway"] == 96 * SCORES
    assert links["cam1", "gateway"] == links["cam2", "gateway"] == 48 * SCORES
    assert links["cam0", "cloud"] == up * FEATURES
    assert document["nodes"]["cam0"] == {
        "sent_bytes": 96 * SCORES + up * FEATURES,
        "received_bytes": 0,
    }
    assert document["nodes"]["gateway"] == {"sent_bytes": 0, "received_bytes": 2 * 96 * SCORES}


def test_a_sweep_goes_from_all_at_the_last_exit_to_all_at_the_first(run, data):
    evaluation = evaluate(run, data.samples, LOST)
    rows = sweep(evaluation)
    assert [row["threshold"] for row in rows] == list(SWEEP)
    right = {
        name: x.argmax(axis=1) == data.samples.fused_labels_N
        for name, x in evaluation.logits.items()
    }
    none, every = rows[0], rows[-1]
    assert (none["local_share"], none["cloud_share"], none["samples"]) == (0, 1, 96)
    assert none["accuracy"] == right["cloud"].mean()
    assert none["payload_bytes"] == pytest.approx(2 / 3 * (SCORES + FEATURES))
    assert (every["local_share"], every["cloud_share"]) == (1, 0)
    assert every["accuracy"] == right["local"].mean()
    assert every["payload_bytes"] == pytest.approx(2 / 3 * SCORES)
    entropy_N = decide(evaluation.logits["local"], run.rules["local"].temperature).entropy_N
    for row in rows[1:-1]:
        sure_N = entropy_N < row["threshold"]
        assert row["local_share"] == sure_N.mean()
        assert row["accuracy"] == np.where(sure_N, right["local"], right["cloud"]).mean()


@pytest.mark.parametrize("split", [None, "validation", "train"])
def test_a_run_is_evaluated_on_test_samples_unless_others_are_asked_for(run, card, split):
    chosen = {} if split is None else {"split": split}
    document = evaluate_run(run, card=card, **chosen)
    samples = load(card).part(split or "test")
    assert document["data"]["split"] == (split or "test")
    with (run.folder / "verdicts.csv").open() as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert labels == [samples.classes[k] for k in samples.fused_labels_N]
    assert document["accuracy"] == evaluate(run, samples).verdicts.correct_N.mean()
    assert document["failures"] == []


def test_devices_that_fail_are_masked_and_reported(run, card):
    noted = [{"node": "cam1", "kind": "kill", "sample": 5}]

    def losses(samples: int):
        present_NV = np.ones((samples, 3), dtype=bool)
        present_NV[5:, 1] = False
        return present_NV, noted

    document = evaluate_run(run, card=card, losses=losses)
    assert document["failures"] == noted
    with (run.folder / "verdicts.csv").open() as file:
        present = [row["present"] for row in csv.DictReader(file)]
    assert present == ["111"] * 5 + ["101"] * 19


def test_without_a_local_exit_nothing_is_answered_locally(data):
    document = make_topology().model_dump(mode="json")
    document["tiers"][0]["exit"] = None
    del document["nodes"]["gateway"]
    topology = type(make_topology()).model_validate(document)
    evaluation = evaluate(random_run(topology, data.samples), data.samples)
    assert (evaluation.local_share, evaluation.payload_bytes) == (0, FEATURES)
