"""Lets troubles happen: a plan's failures, and what hosts, networks and collectors come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ddnn.nodes.base import LED_S
from ddnn.run.failures.failure import Failure
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.plan import Action
from ddnn.run.outcome import failure_entry
from ddnn.simulation.health import Health, Place
from ddnn.simulation.network import Network
from ddnn.simulation.schedule import PLAN_KINDS, Trouble
from ddnn.simulation.scheduler import Scheduler
from ddnn.topology import COLLECTOR, Topology

RESTS_S = {"crash": LED_S, "slow": 1.0}
"""How long it takes after a trouble until nothing is wrong any more: a node does not leave a run
sooner, and finishes what it began slowly."""


class Site(Protocol):
    """What troubles do to the collector and to clocks. sample: the next to be asked for."""

    @property
    def sample(self) -> int: ...
    @property
    def is_over(self) -> bool: ...
    def freeze(self, for_s: float, *, ends: bool) -> None: ...
    def crash(self, *, ends: bool) -> None: ...
    def set_clock(self, host: str) -> None: ...


class Havoc:
    """Begins and ends troubles, and knows of which places something is wrong.

    began: troubles so far. returning: nodes with a trouble that will end, and of how many.
    history: entries for a report.
    """

    def __init__(
        self,
        topology: Topology,
        coming: Iterable[Trouble],
        *,
        site: Site,
        hosts: Mapping[str, str],
        scheduler: Scheduler,
        network: Network,
        operator: Operator,
        health: Health,
    ) -> None:
        """coming: in the order of their times."""
        self.began: list[Trouble] = []
        self.returning: Counter[str] = Counter()
        self.history: list[dict[str, Any]] = []
        self._topology = topology
        self._coming = iter(coming)
        self._site = site
        self._hosts = hosts
        self._scheduler = scheduler
        self._network = network
        self._operator = operator
        self._health = health

    def act(self, action: Action) -> None:
        """A plan's failure begins or ends."""
        names = _touched(action.failure)
        (self._health.end if action.ends else self._health.begin)(names)
        self._carry_out(action.failure, ends=action.ends)

    def _carry_out(self, failure: Failure, *, ends: bool) -> None:
        (self._operator.end if ends else self._operator.begin)(failure)
        self.history.append(failure_entry(failure, self._site.sample, ends=ends))

    def wait(self) -> None:
        """For the next one."""
        trouble = next(self._coming, None)
        if trouble is not None:
            self._scheduler.at(trouble.at_s, self._start_trouble, trouble)

    def _start_trouble(self, trouble: Trouble) -> None:
        if self._site.is_over:
            return
        self.wait()
        self.began.append(trouble)
        self.returning.update(_names(self._victims(trouble)))
        self._health.begin(self._victims(trouble))
        self._change(trouble, ends=False)
        self._scheduler.at(trouble.ends_s, self._end_trouble, trouble)

    def _end_trouble(self, trouble: Trouble) -> None:
        if self._site.is_over:
            return
        self._change(trouble, ends=True)
        self.returning -= Counter(_names(self._victims(trouble)))
        rest_s = RESTS_S.get(trouble.kind, 0.0)
        victims = self._victims(trouble)
        self._scheduler.at(self._scheduler.now_s + rest_s, self._health.end, victims)

    def _victims(self, trouble: Trouble) -> list[Place]:
        if trouble.kind == "crash":
            return [COLLECTOR, *self._topology.nodes]
        if trouble.kind == "freeze":
            return [COLLECTOR]
        if trouble.kind == "reboot":
            return [*self._on_host(trouble.node or "")]
        return [trouble.link or trouble.node or ""]

    def _on_host(self, node: str) -> list[str]:
        host = self._hosts[node]
        return [name for name in self._topology.nodes if self._hosts[name] == host]

    def _change(self, trouble: Trouble, *, ends: bool) -> None:
        if trouble.kind in PLAN_KINDS:
            self._carry_out(trouble.failure(), ends=ends)
        elif trouble.kind == "cut":
            self._network.cut(*(trouble.link or ("", "")), ends=ends)
        elif trouble.kind == "reorder":
            self._network.reorder(*(trouble.link or ("", "")), 0.0 if ends else trouble.share)
        elif trouble.kind == "replay":
            if not ends:
                self._network.replay(*(trouble.link or ("", "")), trouble.for_s)
        elif trouble.kind == "reboot":
            self._reboot(trouble, ends=ends)
        elif trouble.kind == "freeze":
            self._site.freeze(trouble.for_s, ends=ends)
        else:
            self._site.crash(ends=ends)

    def _reboot(self, trouble: Trouble, *, ends: bool) -> None:
        """All nodes of a host are gone, and come back with another clock."""
        if not ends:
            self._site.set_clock(self._hosts[trouble.node or ""])
        for name in self._on_host(trouble.node or ""):
            failure = trouble.model_copy(update={"kind": "kill", "node": name}).failure()
            self._carry_out(failure, ends=ends)


def _touched(failure: Failure) -> list[Place]:
    return [failure.link or failure.node or ""]


def _names(places: Iterable[Place]) -> list[str]:
    """Of processes; of a link, both ends."""
    return [name for place in places for name in ([place] if isinstance(place, str) else place)]
