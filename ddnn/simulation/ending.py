"""How simulations end: what each found, and the accounts of all that run in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ddnn.simulation.laboratory import Result
from ddnn.simulation.promises import BrokenPromiseError
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Stop

if TYPE_CHECKING:
    from ddnn.simulation.simulation import Simulation

LAST_WORDS_S = 1.0
"""Time stopping nodes get to hand over their accounts."""


def end_together(
    simulations: Sequence[Simulation], broken: BrokenPromiseError | None = None
) -> list[Result]:
    """Stops everybody, at once where they share a scheduler: to end one after the other, each
    beside those that still run, would take longer the more there are. broken: a promise that did
    not hold."""
    results = [_result(simulation, broken) for simulation in simulations]
    going = [s for s, result in zip(simulations, results, strict=True) if result.broken is None]
    broken = None
    try:
        _stop(going)
    except BrokenPromiseError as error:
        broken = error
    return [
        replace(
            result,
            checked=dict(simulation.promises.checked),
            ties=simulation.promises.ties,
            broken=result.broken or broken,
        )
        for simulation, result in zip(simulations, results, strict=True)
    ]


def _result(simulation: Simulation, broken: BrokenPromiseError | None) -> Result:
    """As it stands now."""
    if broken is None:
        try:
            simulation.promises.ended(simulation.lead.collector.asked)
        except BrokenPromiseError as error:
            broken = error
    answers = [answer for run in simulation.answers for answer in sorted(run)]
    return Result(
        collector=simulation.lead.collector,
        answers=[a._replace(sample=n) for n, a in enumerate(answers)],
        samples_N=[answer.sample for answer in answers],
        events=simulation.scheduler.events,
        virtual_s=min(simulation.ended_s, simulation.now_s) - simulation.begun_s,
        begun_s=simulation.begun_s,
        runs=simulation.runs,
        states={name: _state(simulation, name) for name in simulation.topology.nodes},
        troubles=simulation.havoc.began,
        failures=simulation.havoc.history,
        broken=broken,
    )


def _state(simulation: Simulation, name: str) -> str:
    member = simulation.members.running.get(name)
    if member is None:
        return "ended"
    return "stopped" if member.loop.hangs else "running"


def _stop(simulations: Sequence[Simulation]) -> None:
    """Takes the accounts of all that run."""
    for each in simulations:
        _tell_to_stop(each)
    waiting = list(simulations)
    end_s = simulations[0].now_s + LAST_WORDS_S if simulations else 0.0
    while (waiting := [each for each in waiting if _owes(each)]) and waiting[0].now_s < end_s:
        waiting[0].scheduler.step()
    for each in simulations:
        mailbox = each.lead.mailbox
        each.lead.collector.accounts[COLLECTOR] = mailbox.ledger.account(run=mailbox.run)


def _tell_to_stop(simulation: Simulation) -> None:
    lead = simulation.lead
    lead.is_over = True
    lead.loop.go_on()
    for name, member in simulation.members.running.items():
        member.loop.go_on()
        lead.mailbox.send(name, Stop())
    lead.loop.end.depart(simulation.now_s)


def _owes(simulation: Simulation) -> bool:
    """Whether one that runs has yet to hand over its account."""
    return not set(simulation.members.running) <= set(simulation.lead.collector.accounts)
