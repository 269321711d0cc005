"""N samples, V views, K classes."""

import numpy as np
import torch

from ddnn.bundle.manifest import ExitRule
from ddnn.decision import decide
from ddnn.model.joint import Joint
from ddnn.report.verdicts import Verdicts
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
