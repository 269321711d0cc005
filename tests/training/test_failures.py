"""N samples, V views, K classes."""

import numpy as np
import pytest
import torch
from tiny import make_topology

from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.training.failures import (
    SubsetAccuracy,
    by_count,
    every_failure,
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
