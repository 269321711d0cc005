"""Minutes, in virtual time, in which nothing is asked."""

from ddnn.nodes.base import Node
from ddnn.nodes.liveness import Liveness
from ddnn.run.failures.plan import plan_of
from ddnn.simulation.laboratory import Laboratory
from ddnn.simulation.schedule import Schedule, Trouble
from ddnn.simulation.simulation import Simulation

PAUSE_S = 180.0
"""Of some hundred heartbeats of those that say the fewest: an hour shows no more."""


def idle(laboratory: Laboratory, *troubles: Trouble) -> Simulation:
    """Two samples, so long apart."""
    topology = laboratory.bundle.topology
    schedule = Schedule(topology=topology.name, samples=2, window=1, rate_hz=1 / PAUSE_S)
    return Simulation(laboratory, schedule, plan_of(topology), troubles)


def watching(node: Node) -> Liveness:
    """What a gateway or the cloud knows of those that it waits for."""
    part = node._parts[0]
    gather = getattr(part, "_gather", None) or part._source._gather
    return gather.liveness


def alive(simulation: Simulation) -> dict[str, list[str]]:
    """The devices that each who waits for them believes in."""
    now_s, running = simulation.now_s, simulation.members.running
    known = {
        "collector": simulation.lead.collector.liveness,
        "gateway": watching(running["gateway"].node),
        "cloud": watching(running["cloud"].node),
    }
    devices = simulation.topology.devices
    return {who: [n for n in devices if what.is_alive(n, now_s)] for who, what in known.items()}


def test_after_idling_all_are_there_and_one_that_dies_is_soon_gone_for_all(laboratory):
    """Its keeper hears it, and tells those that hear it seldom. So the next sample waits for
    nobody."""
    dies_s = PAUSE_S - 10
    death = Trouble(at_s=dies_s, for_s=PAUSE_S, kind="kill", node="cam1")
    simulation = idle(laboratory, death)
    simulation.begin()
    while simulation.now_s < dies_s - 0.1:
        simulation.scheduler.step()
    assert simulation.lead.collector.gone == []
    assert alive(simulation) == {who: ["cam0", "cam1", "cam2"] for who in alive(simulation)}
    while simulation.now_s < dies_s + 0.4:
        simulation.scheduler.step()
    assert alive(simulation) == {who: ["cam0", "cam2"] for who in alive(simulation)}
    while not simulation.is_done:
        simulation.scheduler.step()
    latest = simulation.answers[0][1]
    assert simulation.now_s > PAUSE_S
    assert (latest.views, latest.degraded) == (0b101, False)
    assert latest.latency_s < 0.05
