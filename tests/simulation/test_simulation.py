"""Promises in virtual time: storms break none, and the same seed gives the same report."""

import json

import numpy as np
import pytest
from builders import star_topology

from ddnn.errors import ConfigError
from ddnn.run.failures.plan import FailurePlan, parse_failure, plan_of
from ddnn.simulation.profile import Cost, Profile
from ddnn.simulation.report import outcome_of
from ddnn.simulation.schedule import (
    OWN_KINDS,
    PLAN_KINDS,
    Schedule,
    Trouble,
    read_schedule,
    schedule_text,
)
from ddnn.simulation.simulation import Laboratory, Result, simulate
from ddnn.simulation.storm import storm
from ddnn.simulation.study import run_seed
from ddnn.topology import COLLECTOR, read_topology


def run(laboratory: Laboratory, *, samples: int = 200, **of) -> Result:
    topology = laboratory.bundle.topology.name
    plan = of.pop("plan", None)
    return simulate(laboratory, Schedule(topology=topology, samples=samples, **of), plan=plan)


def p50_ms(result: Result) -> float:
    return 1000 * float(np.median([answer.latency_s for answer in result.answers]))


def test_twenty_thousand_samples_in_a_storm(laboratory):
    topology = laboratory.bundle.topology
    schedule = Schedule(
        topology=topology.name, seed=1, samples=20_000, window=64, shifted_clocks=True
    )
    ran = run_seed(laboratory, schedule, storm_per_s=20)
    assert ran.broken is None
    assert [answer.sample for answer in ran.result.answers] == list(range(20_000))
    assert ran.result.runs > 1
    assert {trouble.kind for trouble in ran.result.troubles} == {*PLAN_KINDS, *OWN_KINDS}


@pytest.mark.parametrize("name", ["six-cameras", "edge-fallback", "f-edges-cloud", "two-hosts"])
@pytest.mark.parametrize("seed", [1])
def test_shipped_topologies_in_a_storm(name, seed, train):
    topology = read_topology(name)
    trained = train(topology, 60)
    laboratory = Laboratory(trained.bundle, trained.samples.views, Profile())
    schedule = Schedule(topology=name, seed=seed, samples=400, window=4, shifted_clocks=True)
    assert run_seed(laboratory, schedule, storm_per_s=10).broken is None


def test_the_same_seed_gives_the_same_report(train):
    trained = train(star_topology(), 60)

    def report() -> str:
        laboratory = Laboratory(trained.bundle, trained.samples.views, Profile())
        schedule = Schedule(topology="star", seed=3, samples=400, shifted_clocks=True)
        ran = run_seed(laboratory, schedule, storm_per_s=20)
        outcome = outcome_of(ran.result, laboratory, schedule, trained.samples.fused_labels_N)
        return json.dumps(outcome.report)

    assert report() == report()


def test_what_was_learnt_before_changes_no_report(laboratory):
    schedule = Schedule(topology="star", seed=3, samples=400, shifted_clocks=True)
    labels_N = np.zeros(60, dtype=np.int64)

    def report() -> str:
        ran = run_seed(laboratory, schedule, storm_per_s=20)
        return json.dumps(outcome_of(ran.result, laboratory, schedule, labels_N).report)

    assert report() == report()


def test_a_storm_is_replayed_by_its_schedule(laboratory, tmp_path):
    schedule = Schedule(topology="star", seed=3, samples=400, shifted_clocks=True)
    ran = run_seed(laboratory, schedule, storm_per_s=20)
    recorded = schedule.model_copy(update={"troubles": tuple(ran.result.troubles)})
    file = tmp_path / "schedule.yaml"
    file.write_text(schedule_text(recorded))
    replayed = simulate(laboratory, read_schedule(file, laboratory.bundle.topology))
    assert replayed.answers == ran.result.answers
    assert replayed.events == ran.result.events


@pytest.mark.parametrize("kind", [*PLAN_KINDS, *OWN_KINDS])
def test_each_kind_of_trouble_alone(kind, laboratory):
    of_link = kind in ("cut", "reorder", "replay")
    trouble = Trouble(
        at_s=0.3,
        for_s=0.5,
        kind=kind,
        link=(COLLECTOR, "cam1") if of_link else None,
        node=None if of_link or kind in ("crash", "freeze") else "cam1",
        share=1,
        delay_ms=150,  # longer than the gateway waits
    )
    slow = {"cam0": Cost(fixed_us=20_000)}  # so that samples meet it
    slowed = Laboratory(laboratory.bundle, laboratory.views, Profile(engines=slow))
    result = run(slowed, window=1, samples=60, troubles=(trouble,), shifted_clocks=True)
    assert result.broken is None
    assert result.runs == (2 if kind == "crash" else 1)
    without_cam1 = sum(not answer.views >> 1 & 1 for answer in result.answers)
    assert (without_cam1 > 0) == (kind not in ("reorder", "replay", "freeze", "crash", "slow"))


def test_latency_is_what_links_and_sections_take(laboratory):
    near = p50_ms(run(laboratory, window=1))
    far = p50_ms(run(laboratory, window=1, conditions={"latency_ms": 10}))
    assert 3 > near > 0.1
    assert 30 < far < 60  # capture, scores, verdict; half of them ask for features too


def test_slow_sections_take_virtual_time(laboratory):
    slow = Profile(engines={"cam0": Cost(fixed_us=5000, row_us=0)})
    slowed = Laboratory(laboratory.bundle, laboratory.views, slow)
    assert p50_ms(run(slowed, window=1)) > 5


def test_few_cores_are_waited_for(laboratory):
    one = run(laboratory, window=1, profile=Profile(cores=1))
    assert one.broken is None
    assert p50_ms(one) > 1.2 * p50_ms(run(laboratory, window=1))


def test_a_plan_at_samples_masks_just_those(laboratory):
    plan = plan_of(laboratory.bundle.topology, kills=["cam1@50"], recovers=["cam1@100"])
    result = run(laboratory, plan=plan)
    present = [bool(answer.views >> 1 & 1) for answer in sorted(result.answers)]
    assert present == [True] * 50 + [False] * 50 + [True] * 100


def test_a_storm_has_every_kind_on_every_node_and_link(laboratory):
    topology = laboratory.bundle.topology
    drawn = storm(topology, rate_per_s=20, seed=0)
    troubles = [next(drawn) for _ in range(3000)]
    assert {trouble.kind for trouble in troubles} == {*PLAN_KINDS, *OWN_KINDS}
    assert {t.node for t in troubles if t.node} == set(topology.nodes)
    assert {t.link[0] for t in troubles if t.link} == {COLLECTOR, *topology.nodes}
    assert [round(20 * trouble.at_s) for trouble in troubles] == list(range(1, 3001))


def test_a_plan_that_flips_bits_is_refused(laboratory):
    entry = {"at": {"sample": 5}, "node": "cam0", "kind": "bitflip"}
    plan = FailurePlan(topology="star", failures=(parse_failure(entry),))
    with pytest.raises(ConfigError, match=r"failures\.0\.kind: got bitflip, want another"):
        run(laboratory, plan=plan)


def test_links_follow_a_trace_and_promises_hold(laboratory):
    steps = [[0, 20, 0.2, 0], [0.2, 0, 0, 200]]
    entry = {"at": {"seconds": 0}, "link": ["cam0", "gateway"], "kind": "trace", "steps": steps}
    plan = FailurePlan(topology="star", failures=(parse_failure(entry),))
    result, free = run(laboratory, plan=plan, samples=200), run(laboratory, samples=200)
    assert result.broken is None
    assert result.virtual_s > free.virtual_s


@pytest.mark.parametrize("idle_s", [3, 15])
def test_a_device_that_dies_while_nothing_is_asked_costs_the_next_sample_no_wait(
    slow_laboratory, idle_s
):
    """It beats for its keeper alone, which tells the others as soon as it is silent."""
    alone = run(slow_laboratory, samples=2, window=1, rate_hz=1 / idle_s)
    dies_s = alone.begun_s + idle_s - 0.45
    death = Trouble(at_s=dies_s, for_s=5.0, kind="kill", node="cam1")
    result = run(slow_laboratory, samples=2, window=1, rate_hz=1 / idle_s, troubles=(death,))
    assert result.broken is None
    (gone,) = [gone for gone in result.collector.gone if not gone.back]
    assert (gone.node, gone.sample) == ("cam1", 1)  # before the second was asked for
    assert [answer.views for answer in result.answers] == [0b111, 0b101]
    assert result.answers[1].latency_s < 0.05


def test_storms_while_next_to_nothing_is_asked(slow_laboratory):
    schedule = Schedule(
        topology="star", seed=7, samples=25, window=1, rate_hz=0.3, shifted_clocks=True
    )
    ran = run_seed(slow_laboratory, schedule, storm_per_s=2)
    assert ran.broken is None
    assert len(ran.result.answers) == 25
