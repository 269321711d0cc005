"""Runs a whole topology in virtual time: the nodes of a launch, its mailboxes, its operator.

What differs from a launch is the clock, what carries the bytes, and that sections are looked up
where they were computed before. Every event is looked over by ddnn.simulation.promises.

Axes: N samples, V views, C image channels, H, W.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Mapping, Sequence

from ddnn.nodes.awake import most_of
from ddnn.nodes.build import patience_s, takeover_s
from ddnn.nodes.collector import Collector
from ddnn.report.verdicts import Answer
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.plan import Action, FailurePlan, actions, plan_of
from ddnn.run.readiness import losses, unready
from ddnn.simulation.ending import end_together
from ddnn.simulation.havoc import Havoc
from ddnn.simulation.health import Health
from ddnn.simulation.laboratory import Laboratory as Laboratory
from ddnn.simulation.laboratory import Result as Result
from ddnn.simulation.lead import Lead
from ddnn.simulation.loops import Cores, Host, Loop
from ddnn.simulation.members import DATA, Members, Watched
from ddnn.simulation.network import Network
from ddnn.simulation.places import hosts_of, is_even
from ddnn.simulation.promises import BrokenPromiseError, Promises
from ddnn.simulation.schedule import Schedule, Trouble, check_kinds
from ddnn.simulation.scheduler import Scheduler
from ddnn.simulation.watching import watch
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.messages import Roll

GRACE_S = 1.0
"""Nobody who is well is left out for longer: patience, a new connection, a roll call."""
SLACK_S = 0.25
"""What an answer may take beside its deadlines: queues and the way itself."""


def simulate(
    laboratory: Laboratory,
    schedule: Schedule,
    *,
    plan: FailurePlan | None = None,
    troubles: Iterable[Trouble] = (),
) -> Result:
    """One simulation, from roll call to the last account.

    plan, troubles: what fails beside the schedule's own; troubles in the order of their times.
    Raises ConfigError for a plan that flips bits.
    """
    plan = plan or plan_of(laboratory.bundle.topology)
    check_kinds(plan)
    return Simulation(laboratory, schedule, plan, troubles).run()


class Simulation:
    """One run after another until all samples are answered."""

    def __init__(
        self,
        laboratory: Laboratory,
        schedule: Schedule,
        plan: FailurePlan,
        troubles: Iterable[Trouble],
        *,
        scheduler: Scheduler | None = None,
        shared: Mapping[str, Cores] | None = None,
    ) -> None:
        """scheduler: of others in the same time. shared: by node, the processor that it shares
        with other sites'."""
        self._laboratory, self._schedule = laboratory, schedule
        self._bundle = laboratory.bundle
        topology = self._bundle.topology
        self._rules = tuple(self._bundle.manifest.exits[name] for name in topology.exits)
        self.scheduler = scheduler or Scheduler()
        self._shared = shared or {}
        self._random = random.Random(f"run {schedule.seed}")
        self._hosts = hosts_of(topology)
        self._offsets_s = {host: self._new_offset_s() for host in sorted(set(self._hosts.values()))}
        cores = schedule.profile.cores
        self._cores = {host: Host(cores) for host in topology.hosts if cores is not None}
        self._network = self._make_network()
        self._health = Health((COLLECTOR, *topology.nodes), lambda: self.now_s)
        self.promises = self._make_promises()
        self.members = self._make_members(plan.seed)
        self.operator = Operator(
            self.members, topology, clock=lambda: self.now_s, nodes=tuple(topology.nodes)
        )
        self._by_sample = [a for a in actions(plan) if a.sample is not None]
        self.timed = [a for a in actions(plan) if a.seconds is not None]
        self.answers: list[list[Answer]] = []  # of each run
        self.answered = 0
        self.havoc = self._make_havoc(troubles)
        self.runs = 0
        self.crashed = 0
        self.begun_s, self.ended_s = 0.0, math.inf

    def _make_network(self) -> Network:
        profile = self._schedule.profile
        return Network(
            self.scheduler,
            latency_s=profile.latency_us / 1e6,
            jitter_s=profile.jitter_us / 1e6,
            conditions=self._schedule.conditions,
            seed=self._schedule.seed,
        )

    def _make_promises(self) -> Promises:
        conditions = self._schedule.conditions
        return Promises(
            self.topology,
            self._laboratory.oracle,
            self._health,
            prior_class=self._bundle.manifest.prior_class,
            recorded=len(self._laboratory.views),
            grace_s=GRACE_S + patience_s(self.topology),
            coded=self._bundle.tables,
            is_even=is_even(self.topology, conditions),
            slack_s=SLACK_S + 4e-3 * conditions.latency_ms,
            pace_s=1 / self._schedule.rate_hz if self._schedule.rate_hz else 0.0,
        )

    def _make_members(self, seed: int) -> Members:
        laboratory = self._laboratory
        return Members(
            laboratory.node_bundle,
            laboratory.recorded,
            scheduler=self.scheduler,
            network=self._network,
            codec=laboratory.codec,
            engines=laboratory.engines,
            promises=self.promises,
            turn_s=self._schedule.profile.turn_s,
            host=self._core,
            offset_s=lambda name: self._offsets_s[self._hosts[name]],
            seed=seed,
        )

    def _make_havoc(self, troubles: Iterable[Trouble]) -> Havoc:
        own = sorted(self._schedule.troubles, key=lambda trouble: trouble.at_s)
        return Havoc(
            self.topology,
            heapq.merge(own, troubles, key=lambda trouble: trouble.at_s),
            site=self,
            hosts=self._hosts,
            scheduler=self.scheduler,
            network=self._network,
            operator=self.operator,
            health=self._health,
        )

    def _new_offset_s(self) -> float:
        """What a host's clock shows at the beginning of time."""
        return self._random.uniform(0, 1e5) if self._schedule.shifted_clocks else 0.0

    def _core(self, name: str) -> Cores | None:
        return self._shared.get(name) or self._cores.get(self.topology.host(name))

    def run(self) -> Result:
        """Table of contents: start, gather, go on until all is answered, stop."""
        self.begin()
        broken = None
        try:
            while not self.is_done:
                self.scheduler.step()
        except BrokenPromiseError as error:
            broken = error
        return end_together([self], broken)[0]

    def begin(self) -> None:
        """Everybody starts."""
        for name in self.topology.nodes:
            self.members.start(name)
        self._begin_run()
        self.havoc.wait()
        watch(self)

    @property
    def topology(self) -> Topology:
        """Of all nodes."""
        return self._bundle.topology

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self.scheduler.now_s

    @property
    def is_done(self) -> bool:
        """All samples are answered."""
        return self.answered >= self._schedule.samples

    # runs

    def _begin_run(self) -> None:
        """A collector starts, and with it a new run for what is left of the samples."""
        self.runs += 1
        run = self._random.getrandbits(64) | 1
        left = self._schedule.samples - self.answered
        self.answers.append([])
        halts = [a.sample for a in self._by_sample if a.sample is not None and a.sample < left]
        loop = Loop(COLLECTOR, self.scheduler, self._network, self._core(COLLECTOR))
        offset_s = self._offsets_s[self._hosts[COLLECTOR]]
        self.promises.begun(run, self._rules)
        self.promises.started(COLLECTOR, run)
        mailbox = Watched(
            COLLECTOR,
            self._laboratory.codec,
            loop.end,
            boot=run,
            promises=self.promises,
            turn_s=self._schedule.profile.turn_s,
            clock=lambda: self.scheduler.now_s + offset_s,
            patience_s=takeover_s(self.topology),
        )
        mailbox.join(run)
        collector = Collector(
            self.topology,
            roll=Roll(run, DATA, len(self._laboratory.views)),
            samples=left,
            prior_class=self._bundle.manifest.prior_class,
            patience_s=patience_s(self.topology),
            window=self._schedule.window,
            rate_hz=self._schedule.rate_hz,
            halts=halts if self.runs == 1 else (),
            asks=self.topology.devices,
        )
        self.lead = Lead(
            self,
            collector,
            mailbox,
            loop,
            offset_s=offset_s,
            first=self.answered,
            most_s=most_of(patience_s(self.topology)),
        )
        loop.drive(self.lead)

    def begun(self) -> None:
        """The first capture: seconds of a plan count from here."""
        if self.runs == 1:
            self.begun_s = self.now_s
            for action in list(self.timed):
                self.scheduler.at(self.now_s + (action.seconds or 0.0), self._act, action)

    def _act(self, action: Action) -> None:
        if action in self.timed:
            self.timed.remove(action)
        self.havoc.act(action)

    def is_ready(self, collector: Collector) -> bool:
        """All nodes that can be reached take part."""
        gone = self.operator.unreachable
        wanted = set(self.topology.nodes) - gone
        return not unready(collector.unreached, losses(self.topology, wanted, gone))

    def take(self, answers: Sequence[Answer]) -> None:
        """Answers of the present run, and whether its collector waits for a device."""
        self._health.pause(is_paused=self.lead.collector.is_paused)
        for answer in answers:
            self.promises.answered(answer)
        self.answers[-1] += answers
        self.answered += len(answers)
        if answers and self.is_done:
            self.ended_s = self.now_s

    def act_at(self, sample: int) -> bool:
        """What the plan has for this sample; whether nodes come back that are to be waited for."""
        due = [action for action in self._by_sample if action.sample == sample]
        for action in due:
            self._act(action)
        return any(action.ends or action.failure.kind == "recover" for action in due)

    # what troubles do

    @property
    def sample(self) -> int:
        """See Site."""
        return self.lead.first + self.lead.collector.asked

    @property
    def is_over(self) -> bool:
        """See Site."""
        return self.lead.is_over

    def set_clock(self, host: str) -> None:
        """See Site: its clock starts anew."""
        self._offsets_s[host] = self._new_offset_s()

    def freeze(self, for_s: float, *, ends: bool) -> None:
        """See Site: the collector does nothing."""
        self.lead.loop.hangs = not ends
        if ends:
            self.lead.loop.go_on()
        else:
            self._health.freeze(for_s)

    def crash(self, *, ends: bool) -> None:
        """See Site: the collector is gone; in the end another begins."""
        self.crashed += -1 if ends else 1
        if not ends and self.crashed == 1:
            self.lead.loop.stop()
            self._network.leave(COLLECTOR)
            self.promises.check_ledger(COLLECTOR, self.lead.mailbox.ledger)
            self._health.stopped(COLLECTOR)
        if ends and not self.crashed:
            self._begin_run()
