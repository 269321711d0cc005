"""Promise 3 with real processes: every byte is the kernel's, whatever is sent.

N samples, V views.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest
from builders import patient
from networks import Trained, Trainer, offline

from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.launch import Options, launch
from ddnn.run.outcome import link_counts
from ddnn.topology import Topology, read_topology

pytestmark = pytest.mark.process
SAMPLES = 100


def saving() -> Topology:
    document = patient(read_topology("six-cameras")).model_dump(mode="json")
    document["tiers"][0] |= {"absent": "skip", "features": "entropy-coded"}
    for tier in document["tiers"]:
        tier["exit"]["scores"] = "int8"
    return Topology.model_validate(document)


def pictures() -> Topology:
    document = patient(read_topology("six-cameras-raw")).model_dump(mode="json")
    document["tiers"][0] |= {"absent": "skip", "features": "jpeg"}
    return Topology.model_validate(document)


@pytest.fixture(scope="module", params=[saving, pictures], ids=lambda f: f.__name__)
def ran(request, train: Trainer):
    """Launched, and in one process; a third of the views is black."""
    joint, bundle, samples = train(request.param(), SAMPLES)
    black_NV = np.random.default_rng(0).random(samples.labels_NV.shape) < 1 / 3
    views_NVCHW = np.where(black_NV[:, :, None, None, None], 0, samples.views_NVCHW)
    samples = replace(samples, views=views_NVCHW.astype(np.uint8))
    outcome = launch(bundle, samples, Options(free_ports=True))
    return Trained(joint, bundle, samples), outcome, run_inprocess(bundle, samples.views)


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO counts bytes on Linux")
def test_all_that_arrived_is_what_the_kernel_counted(ran):
    _, outcome, _ = ran
    kernel = outcome.report["bytes"]["kernel"]
    assert kernel["zmtp"] == kernel["kernel"] > 0
    assert kernel["difference"] == kernel["unread"] == 0


def test_verdicts_and_bytes_are_those_of_one_process(ran):
    trained, outcome, collector = ran
    for name in ("predicted_N", "exit_N", "present_NV", "degraded_N"):
        np.testing.assert_array_equal(getattr(outcome.verdicts, name), getattr(collector, name))
    wanted = {
        (*c.link, c.kind.name.lower()): (c.rows, c.payload, pytest.approx(c.information))
        for c in link_counts(collector.accounts)
        if c.kind.is_data
    }
    links = outcome.report["bytes"]["links"]
    counted = {
        (e["from"], e["to"], e["kind"]): (e["rows"], e["payload"], e["information"])
        for e in links
        if e["data"]
    }
    assert counted == wanted
    answers = offline(*trained).predicted_N
    assert (answers == outcome.verdicts.predicted_N).mean() >= 0.98  # int8 scores at a step's edge
