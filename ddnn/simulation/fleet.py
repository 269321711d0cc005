"""Many sites on one cloud, in one virtual time: each a simulation of its own, with its own network,
promises and failures; what they share is the processes of the nodes that `ddnn fleet` serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ddnn.nodes.turns import Turns
from ddnn.run.failures.plan import plan_of
from ddnn.run.fleet_sites import AT_ONCE, TURN_ROWS
from ddnn.simulation.laboratory import Laboratory, Result
from ddnn.simulation.promises import BrokenPromiseError
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.scheduler import Scheduler
from ddnn.simulation.simulation import Simulation

LOOK_EVENTS = 256
"""Events between two looks at whose samples are all answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSite:
    """weight: of its turns, see ddnn.nodes.turns. starts_s: when its processes start."""

    laboratory: Laboratory
    schedule: Schedule
    weight: float = 1.0
    starts_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """results: by site. busy_s: by shared node, what its process worked while the sites ran.
    virtual_s: how long they did. broken: the promise that did not hold for one of them."""

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
    scheduler = Scheduler()
    weights = {name: site.weight for name, site in sites.items()}
    processes = {node: Process(scheduler, weights) for node in nodes}
    simulations = {
        name: Simulation(
            site.laboratory,
            site.schedule,
            plan_of(site.laboratory.bundle.topology),
            (),
            scheduler=scheduler,
            shared={node: _Seat(process, name) for node, process in processes.items()},
        )
        for name, site in sites.items()
    }
    for name, simulation in simulations.items():
        scheduler.at(sites[name].starts_s, simulation.begin)
    broken, left = None, list(simulations.values())
    try:
        while left := [simulation for simulation in left if not simulation.is_done]:
            for _ in range(LOOK_EVENTS):
                scheduler.step()
    except BrokenPromiseError as error:
        broken = error
    virtual_s = scheduler.now_s
    busy_s = {node: process.busy_s for node, process in processes.items()}
    results = {name: simulation.end(broken) for name, simulation in simulations.items()}
    return FleetResult(results=results, busy_s=busy_s, virtual_s=virtual_s, broken=broken)
