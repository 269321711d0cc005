"""Sites that share a cloud in virtual time: weights, floods and storms of one, verdicts of all."""

from dataclasses import replace

import numpy as np
import pytest

from ddnn.simulation.fleet import FleetResult, SimulatedSite, simulate_fleet
from ddnn.simulation.profile import Cost, Profile
from ddnn.simulation.schedule import Schedule, Trouble
from ddnn.simulation.simulation import Laboratory, Result
from ddnn.topology import COLLECTOR

CLOUD = ("cloud",)


@pytest.fixture(scope="module")
def busy(laboratory: Laboratory) -> Laboratory:
    """With a cloud that is the bottleneck: 3,000 samples a second."""
    profile = Profile(engines={"cloud": Cost(fixed_us=100, row_us=300)})
    return Laboratory(laboratory.bundle, laboratory.views, profile)


def site(
    laboratory: Laboratory, *, weight: float = 1.0, starts_s: float = 0.0, **of
) -> SimulatedSite:
    schedule = Schedule(topology=laboratory.bundle.topology.name, **of)
    return SimulatedSite(laboratory=laboratory, schedule=schedule, weight=weight, starts_s=starts_s)


def calm(laboratory: Laboratory, samples: int = 150) -> SimulatedSite:
    return site(laboratory, samples=samples, rate_hz=50, seed=1)


def answers(found: FleetResult, name: str) -> list[tuple[int, int, int, int]]:
    """What a site was told."""
    assert found.broken is None
    return [(a.sample, a.predicted, a.exit, a.views) for a in found.results[name].answers]


def degraded(result: Result) -> int:
    return sum(answer.degraded for answer in result.answers)


def longest_ms(result: Result) -> float:
    return 1000 * float(np.max([answer.latency_s for answer in result.answers]))


def test_a_site_is_answered_alike_alone_and_beside_one_that_sends_as_fast_as_it_can(busy):
    alone = simulate_fleet({"north": calm(busy)}, CLOUD)
    flood = site(busy, samples=8000, window=256, seed=2)
    beside = simulate_fleet({"north": calm(busy), "south": flood}, CLOUD)
    assert answers(beside, "north") == answers(alone, "north")
    assert degraded(beside.results["north"]) == 0
    turn_ms = 0.1 + 8 * 0.3 + 16 * 0.2  # a batch of eight, and as many messages as a turn may take
    few_turns_ms = 4 * turn_ms
    waited_ms = longest_ms(beside.results["north"]) - longest_ms(alone.results["north"])
    assert waited_ms < few_turns_ms < longest_ms(beside.results["south"])


def test_time_that_is_short_is_shared_by_weight(busy):
    """Three times the samples at three times the weight are done at the same time."""
    found = simulate_fleet(
        {
            "north": site(busy, samples=4500, window=64, seed=1, weight=3),
            "south": site(busy, samples=1500, window=64, seed=2),
        },
        CLOUD,
    )
    assert found.broken is None
    north, south = (found.results[name].virtual_s for name in ("north", "south"))
    assert north == pytest.approx(south, rel=0.1)
    assert found.busy_s["cloud"] > 0.9 * north


def test_what_one_site_does_to_itself_costs_the_other_nothing(busy):
    """Its collector crashes, its devices die, its cloud is killed, its words are said again."""
    troubles = (
        Trouble(at_s=0.3, for_s=0.4, kind="kill", node="cam0"),
        Trouble(at_s=0.5, for_s=0.5, kind="kill", node="cloud"),
        Trouble(at_s=1.2, for_s=0.4, kind="crash"),
        Trouble(at_s=2.0, for_s=0.2, kind="replay", link=("cam1", "cloud")),
        Trouble(at_s=2.2, for_s=0.2, kind="reboot", node="gateway"),
        Trouble(at_s=2.4, for_s=0.2, kind="freeze"),
    )
    alone = simulate_fleet({"north": calm(busy)}, CLOUD)
    broken = site(busy, samples=6000, window=64, seed=2, troubles=troubles)
    beside = simulate_fleet({"north": calm(busy), "south": broken}, CLOUD)
    assert answers(beside, "north") == answers(alone, "north")
    assert degraded(beside.results["north"]) == 0
    assert beside.results["south"].runs == 2
    assert len(beside.results["south"].answers) == 6000
    assert degraded(beside.results["south"]) > 0


def test_a_fleet_is_the_same_again(busy):
    def once() -> FleetResult:
        sites = {
            f"s{n}": site(busy, samples=40, rate_hz=10, seed=n, starts_s=n / 50) for n in range(5)
        }
        return simulate_fleet(sites, CLOUD)

    one, two = once(), once()
    assert one.busy_s == two.busy_s
    assert one.results["s3"].answers == two.results["s3"].answers


def test_sites_of_two_processes_share_nothing_but_time(busy):
    """To the last microsecond: a flood on the other process moves no answer."""
    alone = simulate_fleet({"north": calm(busy)}, CLOUD)
    flood = replace(site(busy, samples=2000, window=256, seed=2), process=1)
    beside = simulate_fleet({"north": calm(busy), "south": flood}, CLOUD)
    assert answers(beside, "north") == answers(alone, "north")
    assert longest_ms(beside.results["north"]) == longest_ms(alone.results["north"])
    assert degraded(beside.results["south"]) == 0


def test_all_sites_hand_over_their_accounts_at_one_end(busy):
    sites = {
        name: site(busy, samples=20, rate_hz=50, seed=seed, starts_s=seed / 100)
        for seed, name in enumerate(("north", "south", "east", "west"))
    }
    for result in simulate_fleet(sites, CLOUD).results.values():
        assert set(result.collector.accounts) == {COLLECTOR, *busy.bundle.topology.nodes}
