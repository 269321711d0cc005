"""N samples, V views, K classes."""

import numpy as np
import torch

from ddnn.bundle.manifest import ExitRule
from ddnn.model.joint import Joint
from ddnn.training.failures import every_failure, subsets
from ddnn.training.predict import answer, predict

SURE, UNSURE = [9.0, 0.0, 0.0], [0.1, 0.0, 0.0]
RULES = {
    "local": ExitRule(threshold=0.5),
    "cloud": ExitRule(threshold=None),
}


def logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_the_lowest_sure_exit_answers_and_the_last_always_does(data):
    samples = data.samples.take(np.arange(2))
    found = {"local": logits(SURE, UNSURE), "cloud": logits(UNSURE, [0.0, 0.0, 0.2])}
    verdicts = answer(
        found, RULES, samples=samples, present_NV=np.ones((2, 3), dtype=bool), prior_class=0
    )
    assert verdicts.exit_N.tolist() == [0, 1]
    assert verdicts.predicted_N.tolist() == [0, 2]
    assert verdicts.entropy_N[0] < 0.5 < verdicts.entropy_N[1]


def test_a_sample_nobody_delivers_gets_the_commonest_class(data):
    samples = data.samples.take(np.arange(2))
    found = {"local": logits(SURE, SURE), "cloud": logits(SURE, SURE)}
    present = np.array([[True, True, True], [False, False, False]])
    verdicts = answer(found, RULES, samples=samples, present_NV=present, prior_class=2)
    assert verdicts.predicted_N.tolist() == [0, 2]
    assert verdicts.exit_N.tolist() == [0, -1]
    assert verdicts.degraded_N.tolist() == [False, True]


def test_batches_do_not_change_predictions(data, topology):
    torch.manual_seed(0)
    joint = Joint(topology)
    whole = predict(joint, data.samples)
    one = predict(joint, data.samples.take(np.array([70])))
    for name in whole:
        np.testing.assert_allclose(whole[name][70], one[name][0], atol=1e-5)


def test_every_subset_but_all_is_lost_once(topology):
    lost = subsets(topology)
    assert len(lost) == len(set(lost)) == 2**topology.views - 1
    assert lost[0] == ()
    assert [len(x) for x in lost] == sorted(len(x) for x in lost)


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
