"""N samples, V views, K classes."""

import numpy as np
import pytest
import torch
from tiny import make_samples, make_topology

from ddnn.bundle.manifest import ExitRule
from ddnn.decision import decide
from ddnn.model.joint import Joint
from ddnn.report.verdicts import Verdicts
from ddnn.training.predict import BATCH, answer, classes_at, predict, taking_part

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


def test_an_exit_answers_by_its_temperature(data):
    """A threshold means nothing without it: cold enough, any exit is sure."""
    samples = data.samples.take(np.arange(2))
    found = {"local": logits([1.0, 0.0, 0.0], [1.0, 0.5, 0.0]), "cloud": logits(UNSURE, UNSURE)}
    everyone = np.ones((2, 3), dtype=bool)

    def answered(local: float, cloud: float = 1.0) -> Verdicts:
        rules = {
            "local": ExitRule(threshold=0.5, temperature=local),
            "cloud": ExitRule(threshold=None, temperature=cloud),
        }
        return answer(found, rules, samples=samples, present_NV=everyone, prior_class=0)

    assert answered(1.0).exit_N.tolist() == [1, 1]
    assert answered(0.4).exit_N.tolist() == [0, 1]
    assert answered(0.1).exit_N.tolist() == [0, 0]
    wanted = decide(found["local"], 0.1).entropy_N
    np.testing.assert_array_equal(answered(0.1).entropy_N, wanted)
    assert (answered(1.0, cloud=0.01).entropy_N < answered(1.0).entropy_N).all()


def test_the_last_exit_answers_whatever_threshold_it_is_given(data):
    samples = data.samples.take(np.arange(1))
    found = {"local": logits(UNSURE), "cloud": logits([0.0, 0.1, 0.0])}
    rules = {"local": ExitRule(threshold=0.1), "cloud": ExitRule(threshold=0.1)}
    everyone = np.ones((1, 3), dtype=bool)
    verdicts = answer(found, rules, samples=samples, present_NV=everyone, prior_class=0)
    assert (verdicts.exit_N.tolist(), verdicts.predicted_N.tolist()) == ([1], [1])


def test_predictions_are_those_of_the_network_with_the_devices_that_are_present(topology):
    """More samples than a batch: each keeps its own presence."""
    samples = make_samples(BATCH + 40)
    torch.manual_seed(0)
    joint = Joint(topology).eval()
    present_NV = np.random.default_rng(0).random((len(samples), 3)) < 0.6
    with torch.no_grad():
        views, present = torch.from_numpy(samples.views_NVCHW), torch.from_numpy(present_NV)
        wanted = joint(views, present).logits
    for name, logits_NK in predict(joint, samples, present_NV).items():
        np.testing.assert_allclose(logits_NK, wanted[name].numpy(), atol=1e-5)


@pytest.mark.parametrize("absent", ["send", "skip"])
def test_devices_that_skip_black_views_have_no_part_in_them(data, absent):
    topology = make_topology(absent=absent)
    seen_NV = ~data.samples.absent_NV if absent == "skip" else np.ones((96, 3), dtype=bool)
    np.testing.assert_array_equal(taking_part(topology, data.samples), seen_NV)
    lost_NV = np.arange(3) != np.zeros((96, 1))
    found = taking_part(topology, data.samples, lost_NV)
    np.testing.assert_array_equal(found, seen_NV & lost_NV)


def test_each_exits_class_is_the_commonest_only_where_nobody_is_present():
    found = {"local": logits(SURE, SURE, SURE), "cloud": logits([0.0, 2, 1], UNSURE, SURE)}
    present_NV = np.array([[True, True], [True, False], [False, False]])
    classes = classes_at(found, present_NV, 2)
    assert {name: k_N.tolist() for name, k_N in classes.items()} == {
        "local": [0, 0, 2],
        "cloud": [1, 0, 2],
    }


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
