"""A run's topology grown to many devices."""

import pytest

from ddnn.errors import ConfigError
from ddnn.simulation.profile import Profile
from ddnn.simulation.scaled import ScaledLaboratory, scaled_topology
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import Laboratory, simulate
from ddnn.simulation.study import run_seed
from ddnn.topology import read_topology


@pytest.fixture(scope="module")
def many(laboratory: Laboratory) -> ScaledLaboratory:
    return ScaledLaboratory(laboratory.bundle, laboratory.views, Profile(), devices=33)


def test_devices_have_edges_of_ten():
    topology = scaled_topology(read_topology("six-cameras"), 1000)
    assert (topology.views, len(topology.members("edge"))) == (1000, 100)
    assert topology.children("edge7") == tuple(f"cam{view}" for view in range(70, 80))


def test_every_exit_answers_and_payload_is_the_equation(many):
    result = simulate(many, Schedule(topology="star", samples=120))
    assert result.broken is None
    assert {answer.exit for answer in result.answers} == {0, 1, 2}
    topology, asked = many.bundle.topology, {"local": 120}
    asked |= {"features": sum(answer.exit > 0 for answer in result.answers)}
    sent = sum(
        count.payload
        for name in topology.devices
        for count in result.collector.accounts[name].links
        if count.kind.is_data and count.sent
    )
    cam = topology.devices[0]
    row_bytes = asked["local"] * topology.score_bytes(cam) + asked[
        "features"
    ] * topology.feature_bytes(cam)
    assert sent == 33 * row_bytes


def test_many_devices_in_a_storm(many):
    schedule = Schedule(topology="star", seed=2, samples=150, window=4, shifted_clocks=True)
    assert run_seed(many, schedule, storm_per_s=20).broken is None


def test_devices_without_an_exit_are_refused():
    with pytest.raises(ConfigError, match=r"--devices: devices of six-cameras-raw have no exit"):
        scaled_topology(read_topology("six-cameras-raw"), 20)
