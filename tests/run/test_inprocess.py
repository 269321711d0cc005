"""Promises 1 to 4 on every shipped topology, in one process. N samples, V views."""

from dataclasses import replace

import numpy as np
import pytest
from builders import MEASURED, random_views, star_topology, unattended
from networks import PRIOR_CLASS, offline, random_bundle, random_joint

from ddnn.nodes.noticed import Gone
from ddnn.nodes.recorder import Recorder
from ddnn.report.verdicts import NO_EXIT
from ddnn.run.failures.plan import FailurePlan, parse_failure, plan_of, presence
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import device_sample_bytes, device_sample_equation, link_counts
from ddnn.topology import read_topology
from ddnn.wire.messages import MAX_ROWS, Kind

SAMPLES = 96
SHIPPED = MEASURED
CODED = {
    name
    for name in SHIPPED
    if any(tier.features != "raw-bits" for tier in read_topology(name).tiers)
}
"""Their features' sizes follow from the content: no equation."""
MANY_DEVICES = [name for name in SHIPPED if read_topology(name).views > 1]
UPPER = [
    pytest.param(name, victim, id=f"{name}-{victim}")
    for name in SHIPPED
    for victim in read_topology(name).nodes
    if victim not in read_topology(name).devices and len(read_topology(name).exits) > 1
    if not any(node.fallback for node in read_topology(name).nodes.values())
    if "resnet" not in name
]
"""The residual networks are slow, and have the nodes of (b) and (d)."""


def answers(collector: Recorder) -> np.ndarray:
    """What is answered, where, by whom: (N, 2 + V)."""
    columns = collector.predicted_N, collector.exit_N, collector.present_NV
    return np.column_stack(columns).astype(int)


def equal_share(one: Recorder, other: Recorder) -> float:
    return float((answers(one) == answers(other)).all(axis=1).mean())


@pytest.fixture(scope="module", params=SHIPPED)
def ran(request, train):
    """A shipped topology, what was trained for it, and its undisturbed run."""
    topology = read_topology(request.param)
    trained = train(topology, SAMPLES // 3 if "resnet" in request.param else SAMPLES)
    return topology, trained, run_inprocess(trained.bundle, trained.samples.views)


def test_every_sample_is_answered_once(ran):
    topology, _, collector = ran
    assert (collector.predicted_N >= 0).all()
    assert collector.late_verdicts == 0
    assert not collector.degraded_N.any()
    assert not np.isnan(collector.latency_N).any()
    assert set(np.unique(collector.exit_N)) == set(range(len(topology.exits)))


def test_verdicts_are_those_of_the_torch_network(ran):
    _, trained, collector = ran
    wanted = offline(trained.joint, trained.bundle, trained.samples)
    equal_N = (wanted.predicted_N == collector.predicted_N) & (wanted.exit_N == collector.exit_N)
    assert equal_N.mean() >= 0.999
    np.testing.assert_allclose(wanted.entropy_N, collector.entropy_N, atol=1e-5)
    assert collector.present_NV.all()


def test_exits_decide_by_their_temperatures(train):
    """At one threshold: the colder an exit, the surer it is."""
    _, bundle, samples = train(star_topology(), SAMPLES)
    shares = []
    for temperature in (0.2, 1.0, 5.0):
        exits = {
            name: rule.model_copy(update={"temperature": temperature})
            for name, rule in bundle.manifest.exits.items()
        }
        manifest = bundle.manifest.model_copy(update={"exits": exits})
        found = run_inprocess(replace(bundle, manifest=manifest), samples.views_NVCHW)
        shares.append((found.exit_N == 0).mean())
    assert shares[0] > shares[1] > shares[2]


def test_the_window_does_not_change_verdicts(ran):
    _, trained, collector = ran
    one = run_inprocess(trained.bundle, trained.samples.views, window=1)
    assert equal_share(one, collector) == 1


def test_payload_is_the_papers_equation(ran):
    topology, _, collector = ran
    counts = link_counts(collector.accounts)
    equation = device_sample_equation(counts, topology)
    assert (equation is None) == (topology.name in CODED)
    if equation is not None:
        assert device_sample_bytes(counts, topology)["payload"] == equation


def test_payload_of_each_link_follows_from_the_verdicts(ran):
    """Scores of every sample; features of those that no lower exit answered."""
    topology, _, collector = ran
    order = [tier.name for tier in topology.tiers]
    exits = list(topology.exits.values())
    for count in link_counts(collector.accounts):
        if not count.kind.is_data:
            continue
        role = topology.nodes[count.link[0]].role
        below = [number for number, tier in enumerate(exits) if _is_below(tier.name, role, order)]
        reached = int((~np.isin(collector.exit_N, below)).sum())
        if count.kind is Kind.SCORES:
            assert count.payload == reached * topology.score_bytes(count.link[0])
        else:
            here = [number for number, tier in enumerate(exits) if tier.name == role]
            up = reached - int(np.isin(collector.exit_N, here).sum())
            assert count.rows == up
            if topology.name not in CODED:
                assert count.payload == up * topology.feature_bytes(count.link[0])


def _is_below(tier: str, role: str, order: list[str]) -> bool:
    return order.index(tier) < order.index(role)


def test_both_ends_of_each_link_count_alike(ran):
    _, _, collector = ran
    sent, received = (
        {
            (c.link, c.kind): (c.rows, c.payload, c.zmtp, c.ip)
            for account in collector.accounts.values()
            for c in account.links
            if c.sent is side and c.kind in (Kind.SCORES, Kind.FEATURES, Kind.CAPTURE, Kind.ASK)
        }
        for side in (True, False)
    )
    assert sent == received


@pytest.mark.parametrize("name", MANY_DEVICES)
@pytest.mark.parametrize("at", [0, 40])
def test_after_a_device_dies_verdicts_are_those_of_the_network_without_it(train, name, at):
    topology = read_topology(name)
    joint, bundle, samples = train(topology, SAMPLES)
    victim = topology.devices[1]
    plan = plan_of(topology, kills=[f"{victim}@{at}"])
    collector = run_inprocess(bundle, samples.views, plan=plan)
    present_NV = presence(plan, topology, SAMPLES)
    wanted = offline(joint, bundle, samples, present_NV)
    np.testing.assert_array_equal(collector.present_NV, present_NV)
    equal_N = (wanted.predicted_N == collector.predicted_N) & (wanted.exit_N == collector.exit_N)
    assert equal_N.mean() >= 0.999
    counts = link_counts(collector.accounts)
    payload = device_sample_bytes(counts, topology)["payload"]
    assert payload == device_sample_equation(counts, topology) or name in CODED


def test_a_dead_device_is_waited_for_once_and_then_no_more(train):
    topology = read_topology("six-cameras")
    _, bundle, samples = train(topology, SAMPLES)
    plan = plan_of(topology, kills=["cam4@50"])
    collector = run_inprocess(bundle, samples.views, plan=plan, window=8)
    deadline_s = topology.tiers[0].exit.deadline_ms / 1000
    assert collector.latency_N[:50].max() == 0
    assert collector.latency_N.max() <= 2 * deadline_s + 0.05
    assert collector.latency_N[-8:].max() == 0
    assert collector.gone == [Gone("cam4", collector.gone[0].sample, back=False)]


def test_with_all_devices_dead_every_sample_is_still_answered(train):
    topology = read_topology("c-devices-cloud")
    _, bundle, samples = train(topology, SAMPLES)
    plan = plan_of(topology, kills=[f"{device}@50" for device in topology.devices])
    collector = run_inprocess(bundle, samples.views, plan=plan)
    assert (collector.predicted_N[50:] == PRIOR_CLASS).all()
    assert (collector.exit_N[50:] == NO_EXIT).all()
    assert collector.degraded_N.tolist() == [False] * 50 + [True] * 46
    assert not np.isnan(collector.latency_N).any()


def test_while_no_device_is_heard_samples_wait_and_the_run_goes_on_when_one_is(train):
    """One device is slow, so that samples take time."""
    topology = unattended(read_topology("six-cameras"))
    _, bundle, samples = train(topology, SAMPLES)
    slow = {"at": {"seconds": 0}, "node": "cam0", "kind": "slow", "factor": 90}
    hang = {"at": {"seconds": 0.5}, "for": {"seconds": 5}, "kind": "hang"}
    entries = [slow, *(hang | {"node": name} for name in topology.devices)]
    plan = FailurePlan(topology=topology.name, failures=tuple(map(parse_failure, entries)))
    collector = run_inprocess(bundle, samples.views, plan=plan, window=2)
    assert not (collector.exit_N == NO_EXIT).any()
    assert collector.paused_s == pytest.approx(5, abs=0.5)
    assert (collector.predicted_N >= 0).all()


@pytest.mark.parametrize(("name", "victim"), UPPER)
def test_after_any_upper_node_dies_every_sample_is_answered_by_what_is_left(train, name, victim):
    topology = unattended(read_topology(name))
    _, bundle, samples = train(topology, SAMPLES)
    whole = run_inprocess(bundle, samples.views)
    plan = plan_of(topology, kills=[f"{victim}@48"])
    collector = run_inprocess(bundle, samples.views, plan=plan)
    assert (collector.predicted_N >= 0).all()
    assert equal_share_of(collector, whole, slice(0, 48)) == 1
    holders = [tier.exit.at for tier in topology.exits.values()]
    number = holders.index(victim) if victim in holders else len(holders)
    lost_N = whole.exit_N[48:] >= number
    assert (collector.exit_N[48:][lost_N] < number).all()
    assert collector.degraded_N[48:].tolist() == lost_N.tolist()


def test_a_fallback_answers_what_a_dead_edge_would_have_passed_on(train):
    topology = unattended(read_topology("edge-fallback"))
    _, bundle, samples = train(topology, SAMPLES)
    whole = run_inprocess(bundle, samples.views)
    plan = plan_of(topology, kills=["edge0@20"])
    collector = run_inprocess(bundle, samples.views, plan=plan, window=8)
    assert (collector.predicted_N >= 0).all()
    assert equal_share_of(collector, whole, slice(0, 20)) == 1
    assert collector.gone[0].sample > 20  # what was sent before that was sent in vain
    asked_N = whole.exit_N[20:] > 0
    assert (collector.exit_N[20:] == np.where(asked_N, 2, 0)).all()


def test_a_gateway_that_is_started_again_loses_nothing(train):
    topology = read_topology("six-cameras")
    assert topology.nodes["gateway"].restart == "always"
    _, bundle, samples = train(topology, SAMPLES)
    whole = run_inprocess(bundle, samples.views)
    plan = plan_of(topology, kills=["gateway@48"])
    collector = run_inprocess(bundle, samples.views, plan=plan)
    assert equal_share(collector, whole) == 1


def equal_share_of(one: Recorder, other: Recorder, part: slice) -> float:
    return float((answers(one)[part] == answers(other)[part]).all(axis=1).mean())


def test_the_same_kills_give_the_same_verdicts(train):
    topology = read_topology("six-cameras")
    _, bundle, samples = train(topology, SAMPLES)
    plan = plan_of(topology, kills=["cam0@30", "cam3@30", "cloud@70"])
    one, other = (run_inprocess(bundle, samples.views, plan=plan) for _ in range(2))
    assert equal_share(one, other) == 1
    assert one.gone == other.gone


def test_a_device_that_comes_back_has_a_part_in_answers_again(train):
    topology = read_topology("six-cameras")
    joint, bundle, samples = train(topology, SAMPLES)
    plan = plan_of(topology, kills=["cam4@20", "cam1@30"], recovers=["cam4@60"])
    collector = run_inprocess(bundle, samples.views, plan=plan, window=8)
    present_NV = presence(plan, topology, SAMPLES)
    np.testing.assert_array_equal(collector.present_NV, present_NV)
    wanted = offline(joint, bundle, samples, present_NV)
    np.testing.assert_array_equal(collector.predicted_N, wanted.predicted_N)


@pytest.mark.parametrize("devices", [1, 9, 70])
def test_any_number_of_devices(tmp_path, devices):
    topology = star_topology(devices)
    samples = random_views(topology, 20)
    joint = random_joint(topology, samples)
    bundle = random_bundle(tmp_path / "bundle", joint, samples)
    collector = run_inprocess(bundle, samples.views)
    np.testing.assert_array_equal(
        collector.predicted_N, offline(joint, bundle, samples).predicted_N
    )


@pytest.mark.parametrize("window", [MAX_ROWS, MAX_ROWS + 1, 256])
def test_windows_larger_than_a_message(train, window):
    trained = train(star_topology(), 600)
    collector = run_inprocess(trained.bundle, trained.samples.views, window=window)
    wanted = offline(trained.joint, trained.bundle, trained.samples)
    np.testing.assert_array_equal(collector.predicted_N, wanted.predicted_N)
