"""Options that save bytes: verdicts stay those of the torch network, payload its equation.

N samples, V views.
"""

import numpy as np
import pytest
from networks import Trainer, offline

from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import device_sample_bytes, device_sample_equation, link_counts
from ddnn.topology import Topology, read_topology

SAMPLES = 96
SHAPES = ("six-cameras", "f-edges-cloud")
"""Devices that share one exit, and two edges whose exit is held by one of them."""


def with_options(name: str, *, scores: str = "float32") -> Topology:
    document = read_topology(name).model_dump(mode="json")
    for tier in document["tiers"]:
        if tier["exit"] is not None:
            tier["exit"]["scores"] = scores
    return Topology.model_validate(document)


OPTIONS = {"float16": {"scores": "float16"}, "int8": {"scores": "int8"}}


@pytest.fixture(scope="module", params=SHAPES)
def shape(request) -> str:
    return request.param


@pytest.fixture(scope="module", params=OPTIONS)
def ran(request, shape, train: Trainer):
    topology = with_options(shape, **OPTIONS[request.param])
    trained = train(topology, SAMPLES)
    return topology, trained, run_inprocess(trained.bundle, trained.samples.views_NVCHW)


def test_verdicts_are_those_of_the_torch_network(ran):
    _, trained, collector = ran
    wanted = offline(trained.joint, trained.bundle, trained.samples)
    equal_N = (wanted.predicted_N == collector.predicted_N) & (wanted.exit_N == collector.exit_N)
    assert equal_N.mean() >= 0.98  # a score on the edge between two steps moves by a whole one
    np.testing.assert_array_equal(wanted.present_NV, collector.present_NV)
    assert not collector.degraded_N.any()


def test_payload_is_the_equation(ran):
    topology, _, collector = ran
    counts = link_counts(collector.accounts)
    payload = device_sample_bytes(counts, topology)["payload"]
    assert payload == device_sample_equation(counts, topology)


@pytest.mark.parametrize(("scores", "saved"), [("float16", 6), ("int8", 9)])
def test_smaller_scores_save_just_their_bytes(shape, scores, saved):
    whole, small = read_topology(shape), with_options(shape, scores=scores)
    for name in whole.devices:
        assert whole.score_bytes(name) - small.score_bytes(name) == saved
