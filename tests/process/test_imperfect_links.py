"""Real processes behind links that flip bits, or that follow a recorded trace."""

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trainer

from ddnn.report.verdicts import UNANSWERED
from ddnn.run.failures.plan import FailurePlan, parse_failure
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.launch import Options, launch
from ddnn.topology import Topology

pytestmark = pytest.mark.process
SAMPLES = 60


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


def plan(topology: Topology, *failures: dict[str, object]) -> FailurePlan:
    return FailurePlan(topology=topology.name, failures=tuple(map(parse_failure, failures)))


def test_the_same_bits_flip_in_processes_and_in_one_process(train):
    """One sample in flight: messages are then the same, and so are the bits that flip."""
    topology = patient(star_topology())
    trained = train(topology, SAMPLES)
    flips = plan(
        topology,
        *(
            {"at": {"sample": 0}, "node": name, "kind": "bitflip", "bit_error_rate": 0.1}
            for name in topology.devices
        ),
    )
    options = Options(free_ports=True, window=1, plan=flips)
    found = launch(trained.bundle, trained.samples, options).verdicts
    wanted = run_inprocess(trained.bundle, trained.samples.views, window=1, plan=flips)
    healthy = run_inprocess(trained.bundle, trained.samples.views, window=1)
    np.testing.assert_array_equal(found.predicted_N, wanted.predicted_N)
    np.testing.assert_array_equal(found.present_NV, wanted.present_NV)
    assert (found.predicted_N != healthy.predicted_N).any()


def test_a_device_behind_a_trace_that_loses_everything_is_masked_in_processes(train):
    topology = star_topology()
    trained = train(topology, SAMPLES)
    trace = {"at": {"sample": 0}, "link": ["cam0", "gateway"], "kind": "trace"}
    options = Options(free_ports=True, plan=plan(topology, trace | {"steps": [[0, 5, 1.0]]}))
    outcome = launch(trained.bundle, trained.samples, options)
    local_N = outcome.verdicts.exit_N == 0
    assert (outcome.verdicts.predicted_N != UNANSWERED).all()
    assert local_N.any()
    assert not outcome.verdicts.present_NV[local_N, 0].any()
    (entry,) = [entry for entry in outcome.report["failures"] if entry["kind"] == "trace"]
    assert entry["applied"]
