"""Every kind of failure on every role: each sample is answered once, and nothing stays broken.

Axes: N samples, V views.
"""

from __future__ import annotations

import numpy as np
import pytest
from builders import unattended
from networks import Trainer

from ddnn.report.verdicts import UNANSWERED
from ddnn.run.failures.plan import (
    FAILURE_KINDS,
    SILENT,
    FailurePlan,
    check_plan,
    parse_failure,
    presence,
    read_plan,
)
from ddnn.run.inprocess import run_inprocess
from ddnn.shipped import names
from ddnn.topology import Topology, read_topology

SAMPLES, BEGIN, END = 90, 30, 60
TOPOLOGY = "e-devices-edge-cloud"
ROLES = {"device": "cam2", "gateway": "gateway", "edge": "edge0", "cloud": "cloud"}
KNOBS = {
    "slow": {"factor": 200},
    "drop": {"share": 0.3},
    "corrupt": {"share": 0.3},
    "bitflip": {"bit_error_rate": 0.2},
    "trace": {"steps": [[0, 40, 0.1, 0], [0.5, 10, 0.5, 500]]},
}
KINDS = [kind for kind in FAILURE_KINDS if kind != "recover"]


@pytest.fixture(scope="module")
def trained(train: Trainer):
    return train(read_topology(TOPOLOGY), SAMPLES)


@pytest.fixture(scope="module")
def healthy(trained):
    return run_inprocess(trained.bundle, trained.samples.views)


def plan_for(topology: Topology, node: str, kind: str) -> FailurePlan:
    entry = {"at": {"sample": BEGIN}, "for": {"samples": END - BEGIN}, "node": node, "kind": kind}
    failure = parse_failure(entry | KNOBS.get(kind, {}))
    return FailurePlan(topology=topology.name, failures=(failure,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", ROLES)
def test_every_sample_is_answered_and_verdicts_before_and_after_are_the_healthy_ones(
    trained, healthy, role, kind
) -> None:
    plan = plan_for(trained.bundle.topology, ROLES[role], kind)
    found = run_inprocess(trained.bundle, trained.samples.views, plan=plan)
    assert (found.predicted_N != UNANSWERED).all()
    assert np.isfinite(found.latency_N).all()
    for part in (slice(0, BEGIN), slice(END, SAMPLES)):
        assert np.array_equal(found.predicted_N[part], healthy.predicted_N[part])
        assert np.array_equal(found.exit_N[part], healthy.exit_N[part])
    assert not found.degraded_N[:BEGIN].any()


@pytest.mark.parametrize("kind", SILENT)
def test_a_silenced_device_is_masked_for_as_long_as_the_plan_says(trained, kind) -> None:
    topology = trained.bundle.topology
    plan = plan_for(topology, "cam2", kind)
    found = run_inprocess(trained.bundle, trained.samples.views, plan=plan)
    wanted_NV = presence(plan, topology, SAMPLES)
    assert np.array_equal(found.present_NV[:, 2], wanted_NV[:, 2])


@pytest.mark.parametrize("kind", SILENT)
@pytest.mark.parametrize("role", ROLES)
def test_silence_is_noticed_within_four_heartbeats(train, role, kind) -> None:
    """Thousands of samples a second leave no time to notice: one device is slow meanwhile. A policy
    would start the node again before."""
    topology = unattended(read_topology(TOPOLOGY))
    trained = train(topology, SAMPLES)
    node = ROLES[role]
    slow = {"at": {"seconds": 0}, "node": "cam0", "kind": "slow", "factor": 90}
    entry = {"at": {"seconds": 0.05}, "node": node, "kind": kind}
    plan = FailurePlan(topology=TOPOLOGY, failures=(parse_failure(slow), parse_failure(entry)))
    found = run_inprocess(trained.bundle, trained.samples.views, plan=plan, window=1)
    (noticed,) = [gone for gone in found.gone if gone.node == node and not gone.back][:1]
    assert noticed.silent_s <= 4 * topology.heartbeat.interval_ms / 1000


def test_a_sample_with_a_dead_device_takes_no_longer_than_the_deadline(trained) -> None:
    plan = plan_for(trained.bundle.topology, "cam2", "kill")
    found = run_inprocess(trained.bundle, trained.samples.views, plan=plan, window=1)
    assert found.latency_N.max() <= 0.100 + 0.050


@pytest.mark.parametrize("name", names("topologies/plans"))
def test_every_shipped_plan_fits_its_topology_and_loses_no_sample(train, name) -> None:
    plan = read_plan(name)
    trained = train(read_topology(plan.topology), 120)
    check_plan(plan, trained.bundle.topology, 120)
    found = run_inprocess(trained.bundle, trained.samples.views, plan=plan)
    assert (found.predicted_N != UNANSWERED).all()
    again = run_inprocess(trained.bundle, trained.samples.views, plan=plan)
    assert np.array_equal(found.predicted_N, again.predicted_N)
    assert np.array_equal(found.present_NV, again.present_NV)
