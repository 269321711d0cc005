"""The bundle's files, masked, give what the torch network gives. N samples, V views."""

import numpy as np
import pytest
import torch
from builders import MEASURED
from hierarchies import HIERARCHIES
from networks import Trained, Trainer

from ddnn.bundle.manifest import ExitRule
from ddnn.decision import decide
from ddnn.nodes.masked import MaskedModel
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.topology import Topology, read_topology
from ddnn.training.batches import view_tensors
from ddnn.training.predict import taking_part

SAMPLES = 40
SHIPPED = {name: read_topology(name) for name in MEASURED if "resnet" not in name}
ALL = SHIPPED | HIERARCHIES


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module", params=ALL)
def trained(request, train) -> Trained:
    return train(ALL[request.param], SAMPLES)


def random_parts(topology: Topology, trained: Trained) -> np.ndarray:
    """(N, V + P): devices that deliver, and nodes that their children's features go past."""
    bits = topology.views + len(topology.bypassable)
    parts = np.random.default_rng(0).random((SAMPLES, bits)) < 0.6
    parts[:, : topology.views] = taking_part(topology, trained.samples, parts[:, : topology.views])
    return parts


def as_bits(parts: np.ndarray) -> list[int]:
    return [sum(1 << bit for bit in np.flatnonzero(row)) for row in parts.tolist()]


def test_every_exit_answers_as_the_torch_network_with_the_same_parts(trained):
    topology = trained.bundle.topology
    parts = random_parts(topology, trained)
    gone = {
        name: torch.from_numpy(parts[:, topology.views + place])
        for place, name in enumerate(topology.bypassable)
    }
    with torch.no_grad():
        wanted = trained.joint.forward(
            view_tensors(trained.samples.views, torch.device("cpu")),
            torch.from_numpy(parts[:, : topology.views]),
            gone,
        )
    model = MaskedModel(trained.bundle, trained.samples.views)
    for name in topology.exits:
        found = model.recompute(name, range(SAMPLES), as_bits(parts))
        temperature = trained.bundle.manifest.exits[name].temperature
        decision = decide(wanted.logits[name].numpy(), temperature)
        there_N = parts[:, : topology.views].any(axis=1)
        clear_N = there_N & (found.margin_N > 1e-4)
        assert np.array_equal(found.predicted_N[clear_N], decision.predicted_N[clear_N])
        np.testing.assert_allclose(found.entropy_N[there_N], decision.entropy_N[there_N], atol=1e-4)


@pytest.fixture(scope="module")
def right(train) -> tuple[Trained, MaskedModel, list[Answer]]:
    """A network, and answers of its last exit with all devices."""
    trained = train(HIERARCHIES["one edge"], SAMPLES)
    model = MaskedModel(trained.bundle, trained.samples.views)
    found = model.recompute("cloud", range(SAMPLES), [0b111] * SAMPLES)
    rows = zip(found.predicted_N.tolist(), found.entropy_N.tolist(), strict=True)
    return (
        trained,
        model,
        [Answer(n, 2, k, entropy, 0b111, False, 0.0) for n, (k, entropy) in enumerate(rows)],
    )


def test_answers_that_are_the_networks_pass(right):
    _, model, answers = right
    assert model.unequal(answers) == []
    repeated = [answer._replace(sample=answer.sample + 3 * SAMPLES) for answer in answers]
    assert model.unequal(repeated) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"entropy": 0.123}, id="entropy"),
        pytest.param({"exit": 1}, id="exit"),
        pytest.param({"views": 0b011}, id="a view that had a part"),
        pytest.param({"views": 0b1111}, id="the way past the edge"),
        pytest.param({"sample": 1}, id="sample"),
        pytest.param({"exit": NO_EXIT, "predicted": 2}, id="no exit and another than the prior"),
    ],
)
def test_an_answer_with_one_thing_wrong_is_found(right, change):
    _, model, answers = right
    wrong = answers[0]._replace(**change)
    assert model.unequal([wrong, *answers[1:]]) == [wrong]


def test_a_class_that_is_not_the_best_is_found(right):
    _, model, answers = right
    wrong = [answer._replace(predicted=(answer.predicted + 1) % 3) for answer in answers]
    assert model.unequal(wrong) == wrong


def test_an_exit_that_answered_though_it_was_unsure_is_found(right):
    trained, model, _ = right
    found = model.recompute("edge", range(SAMPLES), [0b111] * SAMPLES)
    rule: ExitRule = trained.bundle.manifest.exits["edge"]
    unsure = next(n for n in range(SAMPLES) if found.entropy_N[n] > rule.threshold + 0.01)
    predicted, entropy = int(found.predicted_N[unsure]), float(found.entropy_N[unsure])
    answer = Answer(unsure, 1, predicted, entropy, 0b111, False, 0.0)
    assert model.unequal([answer]) == [answer]
    assert model.unequal([answer._replace(degraded=True)]) == []


def test_a_part_of_nobody_is_the_commonest_class(right):
    trained, model, _ = right
    prior = trained.bundle.manifest.prior_class
    assert model.unequal([Answer(0, NO_EXIT, prior, 1.0, 0, True, 0.0)]) == []
