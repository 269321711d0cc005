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
from ddnn.run.failures.plan import Action, FailurePlan, actions, plan_of, returning_nodes
from ddnn.run.readiness import losses, unready
from ddnn.simulation.havoc import Havoc
from ddnn.simulation.health import Health
from ddnn.simulation.laboratory import Laboratory as Laboratory
from ddnn.simulation.laboratory import Result as Result
from ddnn.simulation.lead import READY_S, SUPERVISE_S, Lead
from ddnn.simulation.loops import Cores, Host, Loop
from ddnn.simulation.members import DATA, Members, Watched
from ddnn.simulation.network import Network
from ddnn.simulation.places import hosts_of, is_even
from ddnn.simulation.promises import LOOK_S, BrokenPromiseError, Promises
from ddnn.simulation.schedule import Schedule, Trouble, check_kinds
from ddnn.simulation.scheduler import Scheduler
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Roll, Stop

GRACE_S = 1.0
"""Nobody who is well is left out for longer: patience, a new connection, a roll call."""
SLACK_S = 0.25
"""What an answer may take beside its deadlines: queues and the way itself."""
LAST_WORDS_S = 1.0
"""Time stopping nodes get to hand over their accounts."""


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
        self._laboratory = laboratory
        self._schedule = schedule
        self._bundle = laboratory.bundle
        self._topology = topology = self._bundle.topology
        self._rules = tuple(self._bundle.manifest.exits[name] for name in topology.exits)
        self._scheduler = scheduler = scheduler or Scheduler()
        self._shared = shared or {}
        profile = schedule.profile
        self._random = random.Random(f"run {schedule.seed}")
        self._hosts = hosts_of(topology)
        self._offsets_s = {host: self._new_offset_s() for host in sorted(set(self._hosts.values()))}
        self._cores = {
            host: Host(profile.cores) for host in topology.hosts if profile.cores is not None
        }
        self._network = Network(
            scheduler,
            latency_s=profile.latency_us / 1e6,
            jitter_s=profile.jitter_us / 1e6,
            conditions=schedule.conditions,
            seed=schedule.seed,
        )
        self._health = Health((COLLECTOR, *topology.nodes), lambda: scheduler.now_s)
        self._promises = Promises(
            topology,
            laboratory.oracle,
            self._health,
            prior_class=self._bundle.manifest.prior_class,
            recorded=len(laboratory.views),
            grace_s=GRACE_S + patience_s(topology),
            coded=self._bundle.tables,
            is_even=is_even(topology, schedule.conditions),
            slack_s=SLACK_S + 4e-3 * schedule.conditions.latency_ms,
        )
        self._members = Members(
            laboratory.node_bundle,
            laboratory.recorded,
            scheduler=scheduler,
            network=self._network,
            codec=laboratory.codec,
            engines=laboratory.engines,
            promises=self._promises,
            turn_s=profile.turn_s,
            host=self._core,
            offset_s=lambda name: self._offsets_s[self._hosts[name]],
            seed=plan.seed,
        )
        self._operator = Operator(
            self._members, topology, clock=lambda: scheduler.now_s, nodes=tuple(topology.nodes)
        )
        self._by_sample = [a for a in actions(plan) if a.sample is not None]
        self._timed = [a for a in actions(plan) if a.seconds is not None]
        self._answers: list[list[Answer]] = []  # of each run
        self._answered = 0
        own = sorted(schedule.troubles, key=lambda trouble: trouble.at_s)
        self._havoc = Havoc(
            topology,
            heapq.merge(own, troubles, key=lambda trouble: trouble.at_s),
            site=self,
            hosts=self._hosts,
            scheduler=scheduler,
            network=self._network,
            operator=self._operator,
            health=self._health,
        )
        self._runs = 0
        self._crashed = 0
        self._begun_s, self._ended_s = 0.0, math.inf

    def _new_offset_s(self) -> float:
        """What a host's clock shows at the beginning of time."""
        return self._random.uniform(0, 1e5) if self._schedule.shifted_clocks else 0.0

    def _core(self, name: str) -> Cores | None:
        return self._shared.get(name) or self._cores.get(self._topology.host(name))

    def run(self) -> Result:
        """Table of contents: start, gather, go on until all is answered, stop."""
        self.begin()
        broken = None
        try:
            while not self.is_done:
                self._scheduler.step()
        except BrokenPromiseError as error:
            broken = error
        return self.end(broken)

    def begin(self) -> None:
        """Everybody starts."""
        for name in self._topology.nodes:
            self._members.start(name)
        self._begin_run()
        self._havoc.wait()
        self._scheduler.at(SUPERVISE_S, self._supervise)
        self._scheduler.at(LOOK_S, self._look, 0)

    def end(self, broken: BrokenPromiseError | None = None) -> Result:
        """Stops everybody. broken: a promise that did not hold."""
        if broken is None:
            try:
                self._promises.ended(self._lead.collector.asked)
            except BrokenPromiseError as error:
                broken = error
        ended_s = min(self._ended_s, self._scheduler.now_s)
        events = self._scheduler.events
        answers = [answer for run in self._answers for answer in sorted(run)]
        states = {name: self._state(name) for name in self._topology.nodes}
        if broken is None:
            try:
                self._stop()
            except BrokenPromiseError as error:
                broken = error
        return Result(
            collector=self._lead.collector,
            answers=[a._replace(sample=n) for n, a in enumerate(answers)],
            samples_N=[answer.sample for answer in answers],
            events=events,
            virtual_s=ended_s - self._begun_s,
            begun_s=self._begun_s,
            runs=self._runs,
            states=states,
            troubles=self._havoc.began,
            failures=self._havoc.history,
            checked=dict(self._promises.checked),
            ties=self._promises.ties,
            broken=broken,
        )

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self._scheduler.now_s

    @property
    def is_done(self) -> bool:
        """All samples are answered."""
        return self._answered >= self._schedule.samples

    def _state(self, name: str) -> str:
        member = self._members.running.get(name)
        if member is None:
            return "ended"
        return "stopped" if member.loop.hangs else "running"

    # runs

    def _begin_run(self) -> None:
        """A collector starts, and with it a new run for what is left of the samples."""
        self._runs += 1
        run = self._random.getrandbits(64) | 1
        left = self._schedule.samples - self._answered
        self._answers.append([])
        halts = [a.sample for a in self._by_sample if a.sample is not None and a.sample < left]
        loop = Loop(COLLECTOR, self._scheduler, self._network, self._core(COLLECTOR))
        offset_s = self._offsets_s[self._hosts[COLLECTOR]]
        self._promises.begun(run, self._rules)
        self._promises.started(COLLECTOR, run)
        mailbox = Watched(
            COLLECTOR,
            self._laboratory.codec,
            loop.end,
            boot=run,
            promises=self._promises,
            turn_s=self._schedule.profile.turn_s,
            clock=lambda: self._scheduler.now_s + offset_s,
            patience_s=takeover_s(self._topology),
        )
        mailbox.join(run)
        collector = Collector(
            self._topology,
            roll=Roll(run, DATA, len(self._laboratory.views)),
            samples=left,
            prior_class=self._bundle.manifest.prior_class,
            patience_s=patience_s(self._topology),
            window=self._schedule.window,
            rate_hz=self._schedule.rate_hz,
            halts=halts if self._runs == 1 else (),
            asks=self._topology.devices,
        )
        self._lead = Lead(
            self,
            collector,
            mailbox,
            loop,
            offset_s=offset_s,
            first=self._answered,
            most_s=most_of(patience_s(self._topology)),
        )
        loop.drive(self._lead)

    def begun(self) -> None:
        """The first capture: seconds of a plan count from here."""
        if self._runs == 1:
            self._begun_s = self.now_s
            for action in list(self._timed):
                self._scheduler.at(self.now_s + (action.seconds or 0.0), self._act, action)

    def _act(self, action: Action) -> None:
        if action in self._timed:
            self._timed.remove(action)
        self._havoc.act(action)

    def is_ready(self, collector: Collector) -> bool:
        """All nodes that can be reached take part."""
        gone = self._operator.unreachable
        wanted = set(self._topology.nodes) - gone
        return not unready(collector.unreached, losses(self._topology, wanted, gone))

    def take(self, answers: Sequence[Answer]) -> None:
        """Answers of the present run, and whether its collector waits for a device."""
        self._health.pause(is_paused=self._lead.collector.is_paused)
        for answer in answers:
            self._promises.answered(answer)
        self._answers[-1] += answers
        self._answered += len(answers)
        if answers and self.is_done:
            self._ended_s = self.now_s

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
        return self._lead.first + self._lead.collector.asked

    @property
    def is_over(self) -> bool:
        """See Site."""
        return self._lead.is_over

    def set_clock(self, host: str) -> None:
        """See Site: its clock starts anew."""
        self._offsets_s[host] = self._new_offset_s()

    def freeze(self, for_s: float, *, ends: bool) -> None:
        """See Site: the collector does nothing."""
        self._lead.loop.hangs = not ends
        if ends:
            self._lead.loop.go_on()
        else:
            self._health.freeze(for_s)

    def crash(self, *, ends: bool) -> None:
        """See Site: the collector is gone; in the end another begins."""
        self._crashed += -1 if ends else 1
        if not ends and self._crashed == 1:
            self._lead.loop.stop()
            self._network.leave(COLLECTOR)
            self._promises.check_ledger(COLLECTOR, self._lead.mailbox.ledger)
            self._health.stopped(COLLECTOR)
        if ends and not self._crashed:
            self._begin_run()

    def _supervise(self) -> None:
        """As a launcher does, where its collector runs."""
        if self._lead.is_over:
            return
        if not self._crashed and not self._lead.loop.hangs:
            self._operator.due_restarts(self._fell_silent)
            returning = set(self._havoc.returning) | returning_nodes(self._timed)
            pause_s = self._operator.pause_s(self._topology.devices, returning)
            self._lead.collector.pause_s = pause_s
        self._scheduler.at(self._scheduler.now_s + SUPERVISE_S, self._supervise)

    def _fell_silent(self, name: str, started_s: float) -> bool:
        offset_s = self._lead.offset_s
        return self._lead.collector.liveness.fell_silent(
            name,
            self._lead.heard_s,
            started_s=started_s + offset_s,
            start_s=READY_S,
        )

    def _look(self, turn: int) -> None:
        """At what everybody counted, and what one of them remembers."""
        if self._lead.is_over:
            return
        if not self._crashed:
            self._promises.check_progress(self._answered)
            self._promises.check_ledger(COLLECTOR, self._lead.mailbox.ledger)
        members = sorted(self._members.running.items())
        for name, member in members:
            self._promises.check_ledger(name, member.mailbox.ledger)
        if members:
            name, member = members[turn % len(members)]
            if member.node.run:
                self._promises.check_size(name, member.node, member.mailbox)
        self._scheduler.at(self._scheduler.now_s + LOOK_S, self._look, turn + 1)

    # the end

    def _stop(self) -> None:
        """Takes the accounts of all that run."""
        lead, running = self._lead, self._members.running
        lead.is_over = True
        lead.loop.go_on()
        for name, member in running.items():
            member.loop.go_on()
            lead.mailbox.send(name, Stop())
        lead.loop.end.depart(self._scheduler.now_s)
        end_s = self._scheduler.now_s + LAST_WORDS_S
        while not set(running) <= set(lead.collector.accounts) and self._scheduler.now_s < end_s:
            self._scheduler.step()
        account = lead.mailbox.ledger.account(run=lead.mailbox.run)
        lead.collector.accounts[COLLECTOR] = account
