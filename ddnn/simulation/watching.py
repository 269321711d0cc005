"""What is done beside the samples of a simulation: supervision as in a launch, and looks at what
everybody counted and remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddnn.run.failures.plan import returning_nodes
from ddnn.simulation.lead import READY_S, SUPERVISE_S
from ddnn.simulation.promises import LOOK_S
from ddnn.topology import COLLECTOR

if TYPE_CHECKING:
    from ddnn.simulation.simulation import Simulation


def watch(simulation: Simulation) -> None:
    """From now on until it is over."""
    simulation.scheduler.at(SUPERVISE_S, _supervise, simulation)
    simulation.scheduler.at(LOOK_S, _look, simulation, 0)


def _supervise(simulation: Simulation) -> None:
    """As a launcher does, where its collector runs."""
    lead = simulation.lead
    if lead.is_over:
        return
    if not simulation.crashed and not lead.loop.hangs:

        def fell_silent(name: str, started_s: float) -> bool:
            started_s += lead.offset_s
            return lead.collector.liveness.fell_silent(
                name, lead.heard_s, started_s=started_s, start_s=READY_S
            )

        simulation.operator.due_restarts(fell_silent)
        returning = set(simulation.havoc.returning) | returning_nodes(simulation.timed)
        devices = simulation.topology.devices
        lead.collector.pause_s = simulation.operator.pause_s(devices, returning)
    simulation.scheduler.at(simulation.now_s + SUPERVISE_S, _supervise, simulation)


def _look(simulation: Simulation, turn: int) -> None:
    """At what everybody counted, and what one of them remembers."""
    lead, promises = simulation.lead, simulation.promises
    if lead.is_over:
        return
    if not simulation.crashed:
        promises.check_progress(asked=simulation.sample, answered=simulation.answered)
        promises.check_ledger(COLLECTOR, lead.mailbox.ledger)
    members = sorted(simulation.members.running.items())
    for name, member in members:
        promises.check_ledger(name, member.mailbox.ledger)
    if members:
        name, member = members[turn % len(members)]
        if member.node.run:
            promises.check_size(name, member.node, member.mailbox)
    simulation.scheduler.at(simulation.now_s + LOOK_S, _look, simulation, turn + 1)
