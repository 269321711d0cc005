"""Many sites on one cloud, in one virtual time: each a simulation of its own, with its own network,
promises and failures; what they share is the processes of the nodes that `ddnn fleet` serves.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ddnn.nodes.turns import Turns
from ddnn.run.failures.plan import plan_of
from ddnn.run.fleet_sites import AT_ONCE, TURN_ROWS
from ddnn.simulation.ending import end_together
from ddnn.simulation.laboratory import Laboratory, Result
from ddnn.simulation.promises import BrokenPromiseError
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.scheduler import Scheduler
from ddnn.simulation.simulation import Simulation

YOUNG_OBJECTS = 100_000
"""So many new objects, and not 700, before Python looks which of them are in use."""
LOOK_EVENTS = 256
"""Events between two looks at whose samples are all answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSite:
    """weight: of its turns, see ddnn.nodes.turns. starts_s: when its processes start. process: of
    each shared node, which of several that share nothing serves it."""

    laboratory: Laboratory
    schedule: Schedule
    weight: float = 1.0
    starts_s: float = 0.0
    process: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """results: by site. busy_s: by shared node, what its busiest process worked while the sites
    ran. virtual_s: how long they did. broken: the promise that did not hold for one of them."""

    results: dict[str, Result]
    busy_s: dict[str, float]
    virtual_s: float
    broken: BrokenPromiseError | None


class Process:
    """One thread, which sites' loops get in turns; see ddnn.nodes.fleet."""

    def __init__(self, scheduler: Scheduler, weights: Mapping[str, float]) -> None:
        self.busy_s = 0.0
        self._scheduler = scheduler
        self._turns = Turns(weights)
        self._waiting: dict[str, Callable[[], None]] = {}
        self._running: tuple[str, float] | None = None  # since when
        self._chooses = False  # who is next, as soon as all who are at this instant have come

    def take(self, site: str, begin: Callable[[], None]) -> bool:
        """See Cores."""
        if self._running is not None or self._chooses:
            self._waiting[site] = begin
            return False
        self._turns.choose([site])
        self._running = site, self._scheduler.now_s
        return True

    def give_back(self) -> None:
        """See Cores."""
        assert self._running is not None
        site, since_s = self._running
        self._running = None
        self._turns.charge(site, self._scheduler.now_s - since_s)
        self.busy_s += self._scheduler.now_s - since_s
        self._chooses = True
        self._scheduler.at(self._scheduler.now_s, self._choose)

    def _choose(self) -> None:
        self._chooses = False
        while self._waiting and self._running is None:
            self._waiting.pop(self._turns.choose(self._waiting))()


class _Seat:
    """A site's place in a process, see ddnn.simulation.loops.Cores."""

    at_once = AT_ONCE
    turn_rows: int | None = TURN_ROWS

    def __init__(self, process: Process, site: str) -> None:
        self._process = process
        self._site = site
        self.give_back = process.give_back

    def take(self, begin: Callable[[], None]) -> bool:
        return self._process.take(self._site, begin)


def simulate_fleet(sites: Mapping[str, SimulatedSite], nodes: Iterable[str]) -> FleetResult:
    """Every site until all its samples are answered. nodes: which of each site's are served
    together with those of the others."""
    scheduler, nodes = Scheduler(), tuple(nodes)
    with _few_collections():
        processes = _processes(scheduler, sites, nodes)
        simulations = {
            name: Simulation(
                site.laboratory,
                site.schedule,
                plan_of(site.laboratory.bundle.topology),
                (),
                scheduler=scheduler,
                shared={node: _Seat(processes[node, site.process], name) for node in nodes},
            )
            for name, site in sites.items()
        }
        for name, simulation in simulations.items():
            scheduler.at(sites[name].starts_s, simulation.begin)
        broken = _run(scheduler, simulations.values())
        virtual_s = scheduler.now_s
        results = end_together(list(simulations.values()), broken)
    return FleetResult(
        results=dict(zip(simulations, results, strict=True)),
        busy_s={n: max(p.busy_s for (of, _), p in processes.items() if of == n) for n in nodes},
        virtual_s=virtual_s,
        broken=broken,
    )


def _processes(
    scheduler: Scheduler, sites: Mapping[str, SimulatedSite], nodes: Iterable[str]
) -> dict[tuple[str, int], Process]:
    """By shared node and number."""
    numbers = sorted({site.process for site in sites.values()})
    weights = {
        number: {name: site.weight for name, site in sites.items() if site.process == number}
        for number in numbers
    }
    return {(n, number): Process(scheduler, weights[number]) for n in nodes for number in numbers}


def _run(scheduler: Scheduler, simulations: Iterable[Simulation]) -> BrokenPromiseError | None:
    """Until all samples of all are answered; the promise that did not hold."""
    left = list(simulations)
    try:
        while left := [simulation for simulation in left if not simulation.is_done]:
            for _ in range(LOOK_EVENTS):
                scheduler.step()
    except BrokenPromiseError as error:
        return error
    return None


@contextmanager
def _few_collections() -> Iterator[None]:
    """Most of what sites hold stays to the end, and Python looks at all of it again and again: of
    100 sites that took a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
