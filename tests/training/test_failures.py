"""N samples, V views, K classes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_run
from tiny import make_topology

from ddnn.bundle.manifest import ExitRule
from ddnn.data.loading import load
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.training.failures import (
    SubsetAccuracy,
    by_count,
    every_failure,
    failures_run,
    present_without,
    subsets,
)
from ddnn.training.predict import answer, predict

RULES = {
    "local": ExitRule(threshold=0.5),
    "cloud": ExitRule(threshold=None),
}


def test_every_subset_but_all_is_lost_once(topology):
    lost = subsets(topology)
    assert len(lost) == len(set(lost)) == 2**topology.views - 1
    assert lost[0] == ()
    assert [len(x) for x in lost] == sorted(len(x) for x in lost)


def test_more_subsets_than_can_be_tried_are_refused():
    document = make_topology().model_dump(mode="json")
    camera = document["nodes"]["cam0"]
    for view in range(17):
        place = {"view": view, "endpoint": f"tcp://127.0.0.1:{9000 + view}"}
        document["nodes"][f"cam{view}"] = camera | place
    with pytest.raises(ConfigError, match="failures: 17 devices, want at most 16"):
        subsets(type(make_topology()).model_validate(document))


FOUND = [
    SubsetAccuracy(lost=lost, accuracy={"cloud": cloud, "overall": overall}, local_share=0.5)
    for lost, cloud, overall in (
        ((), 0.9, 0.8),
        (("cam0",), 0.7, 0.6),
        (("cam1",), 0.4, 0.75),
        (("cam2",), 0.7, 0.3),
        (("cam0", "cam1"), 0.1, 0.2),
    )
]


def test_of_each_size_there_is_the_mean_and_the_subset_that_costs_most():
    found = by_count(FOUND)
    assert list(found) == [0, 1, 2]
    one = found[1]
    assert (one["cloud"].mean, one["overall"].mean) == (pytest.approx(0.6), pytest.approx(0.55))
    assert (one["cloud"].worst, one["cloud"].worst_lost) == (0.4, ("cam1",))
    assert (one["overall"].worst, one["overall"].worst_lost) == (0.3, ("cam2",))
    whole, two = found[0]["overall"], found[2]["overall"]
    assert (whole.mean, whole.worst, whole.worst_lost) == (0.8, 0.8, ())
    assert (two.mean, two.worst, two.worst_lost) == (0.2, 0.2, ("cam0", "cam1"))


def test_lost_devices_are_absent_in_every_sample(topology):
    assert present_without(topology, ("cam0", "cam2"), 2).tolist() == [[False, True, False]] * 2
    assert present_without(topology, (), 1).all()


def test_a_failure_counts_what_prediction_without_the_device_counts(data, topology):
    torch.manual_seed(0)
    joint = Joint(topology)
    found_without = {x.lost: x for x in every_failure(joint, data.samples, RULES, prior_class=0)}
    present = np.ones(data.samples.labels_NV.shape, dtype=bool)
    present[:, 1] = False
    found = predict(joint, data.samples, present)
    right = found["cloud"].argmax(axis=1) == data.samples.fused_labels_N
    assert found_without[("cam1",)].accuracy["cloud"] == right.mean()
    verdicts = answer(found, RULES, samples=data.samples, present_NV=present, prior_class=0)
    assert found_without[("cam1",)].accuracy["overall"] == verdicts.correct_N.mean()


def test_samples_count_in_accuracies_as_they_are_weighed(data, topology):
    torch.manual_seed(0)
    joint = Joint(topology)
    right_N = predict(joint, data.samples)["cloud"].argmax(axis=1) == data.samples.fused_labels_N
    weights_N = np.where(right_N, 3.0, 1.0)
    (first, *_) = every_failure(joint, data.samples, RULES, prior_class=0, weights_N=weights_N)
    right, wrong = int(right_N.sum()), int((~right_N).sum())
    assert first.accuracy["cloud"] == pytest.approx(3 * right / (3 * right + wrong))
    assert first.accuracy["overall"] == pytest.approx(
        np.average(first.correct_N, weights=weights_N)
    )


@pytest.mark.parametrize("split", [None, "validation"])
def test_the_report_is_of_the_test_samples_unless_others_are_asked_for(
    tmp_path, topology, data, card, split
):
    run = random_run(topology, data.samples, tmp_path / "run")
    chosen = {} if split is None else {"split": split}
    document = failures_run(run, card=card, **chosen)
    samples = load(card).part(split or "test")
    found = every_failure(run.joint, samples, run.rules, prior_class=run.prior_class)
    assert document["data"]["split"] == (split or "test")
    assert (document["samples"], document["subsets"]) == (24, 7)
    assert document["accuracy"] == found[0].accuracy["overall"]
    for name in topology.exits:
        assert document["exits"][name]["all_samples_accuracy"] == found[0].accuracy[name]
    worst = min(found[1:4], key=lambda subset: subset.accuracy["overall"])
    told = document["lost"][1]["overall"]
    assert (told["worst"], told["worst_lost"]) == (worst.accuracy["overall"], list(worst.lost))
    written = (tmp_path / "run/failures/subsets.csv").read_text().splitlines()
    assert written[0] == "lost,count,local,cloud,overall,local_share,samples"
    values = [*found[4].accuracy.values(), found[4].local_share]
    assert written[5] == ",".join(["cam0+cam1", "2", *(f"{x:.6f}" for x in values), "24"])
    assert json.loads((tmp_path / "run/failures/report.json").read_bytes())["subsets"] == 7


def test_the_local_share_is_what_the_local_exit_answers_without_the_lost(topology, data):
    run = random_run(topology, data.samples)
    found = every_failure(run.joint, data.samples, run.rules, prior_class=1)
    assert 0.4 < found[0].local_share < 0.6  # its threshold is the median
    sure = {name: rule.model_copy(update={"threshold": 1.0}) for name, rule in run.rules.items()}
    found = every_failure(run.joint, data.samples, sure, prior_class=1)
    assert {subset.local_share for subset in found} == {1.0}
    assert all(subset.accuracy["overall"] == subset.accuracy["local"] for subset in found)


@pytest.mark.parametrize("prior_class", [0, 1, 2])
def test_what_nobody_left_sees_gets_the_commonest_class(data, prior_class):
    """`absent: skip`: devices that see nothing have no part, lost or not."""
    views = data.samples.views_NVCHW.copy()
    views[:, 1:] = 0
    labels_N = data.samples.fused_labels_N
    only_first = replace(data.samples, views=views, labels_N=labels_N)
    joint = Joint(make_topology(absent="skip"))
    found = {x.lost: x for x in every_failure(joint, only_first, RULES, prior_class=prior_class)}
    accuracy = found[("cam0",)].accuracy
    assert set(accuracy.values()) == {(labels_N == prior_class).mean()}
