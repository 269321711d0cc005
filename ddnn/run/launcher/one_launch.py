"""One launch, from its first process to its report; `Launch.run` reads as a table of contents."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.live.feed import Feed
from ddnn.nodes.asking import MOST_SAMPLE
from ddnn.nodes.awake import Awake
from ddnn.nodes.build import patience_s
from ddnn.nodes.collector import Collector
from ddnn.nodes.loop import send_all
from ddnn.report.tally import Tally
from ddnn.run.failures.operator import Operator
from ddnn.run.failures.plan import actions, check_plan, plan_of
from ddnn.run.hosts import nodes_of_host
from ddnn.run.launcher.about import about
from ddnn.run.launcher.closing import take_accounts
from ddnn.run.launcher.confirming import wait_confirmed
from ddnn.run.launcher.control import ControlServer
from ddnn.run.launcher.history import History
from ddnn.run.launcher.joining import Joining
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.publisher import Publisher
from ddnn.run.launcher.sink import Sink
from ddnn.run.launcher.standing import Standing
from ddnn.run.launcher.start import Options, Watcher, start_nodes
from ddnn.run.launcher.supervision import Supervision
from ddnn.run.outcome import NodeState, build_report
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Account, Roll, Stop
from ddnn.wire.transport import Mailbox

LOOK_S = 0.02
"""Time between two looks at processes and operators."""
POLL_S = 0.2
"""How long the launcher waits for a message before it looks at processes and operators: no shorter
than heartbeats are apart, so that an idle one wakes for nothing else."""
REPORT_S = 60.0
"""Time between two reports of a launch that goes on: what is left where nothing can be done."""


class Launch:
    """One run of a topology's processes. Live ones are ddnn.live.serving's."""

    command = "launch"

    def __init__(
        self,
        bundle: Bundle,
        samples: MultiView | None,
        options: Options,
        *,
        sink: Sink,
        processes: Processes,
        mailbox: Mailbox,
        watcher: Watcher | None,
    ) -> None:
        plan = options.plan or plan_of(bundle.topology)
        self._labels = [] if samples is None else samples.fused_labels_N.tolist()
        self._total = len(self._labels) * options.rounds
        check_plan(plan, bundle.topology, self._total)
        self._sink = sink
        self._tally = Tally(tuple(bundle.topology.exits), bundle.topology.classes)
        self._bundle = bundle
        self._topology = bundle.topology
        self._samples = samples
        self._options = options
        self._plan = plan
        self._actions = actions(plan)
        self._processes = processes
        self._local = nodes_of_host(bundle.topology, options.host)
        self._remote = tuple(name for name in bundle.topology.nodes if name not in self._local)
        self._awake = Awake.with_patience(patience_s(bundle.topology))
        self._operator = Operator(processes, bundle.topology, nodes=self._local)
        for failure in plan.failures:
            self._operator.check_reach(failure)
        self._mailbox = mailbox
        watcher = watcher or Watcher()
        self._account_s = watcher.account_s if watcher.feed else None
        self._publisher = Publisher(watcher.feed or Feed(), bundle, self.command, watcher.account_s)
        self._history = History(watcher, self._publisher.failure)
        self._report_due_s = -math.inf

    def run(self, workplace: Workplace) -> dict[str, Any]:
        """Start, wait, run, stop, report."""
        self._begin(workplace)
        control = ControlServer(self._supervision.act_by_hand, self._history.say, self.about)
        try:
            self._run_samples(control)
            return self._end()
        except BaseException as error:
            why = str(error) or type(error).__name__
            self._history.spare("report", lambda: self._end(interrupted=why))
            raise
        finally:
            control.close()

    def _begin(self, workplace: Workplace) -> None:
        """Until the first sample may be asked for."""
        self._collector = self._make_collector()
        self._standing = Standing(
            self._collector, self._processes, self._remote, start_s=self._options.ready_s
        )
        self._joining = self._make_joining()
        self._processes.say = self._history.say
        self._supervision = Supervision(
            self._topology,
            self._collector,
            self._processes,
            operator=self._operator,
            history=self._history,
            nodes=self._local,
            timed=[action for action in self._actions if action.seconds is not None],
        )
        begun_s = time.monotonic()
        self._start_nodes(workplace)
        self._joining.wait()
        self._ready_s = time.monotonic() - begun_s
        self._history.say(f"{len(self._topology.nodes)} nodes ready in {self._ready_s:.1f} s")
        self._idle_share = self._idle(self._options.idle_s) if self._options.idle_s else None
        self._begun_s, self._halted_s = time.monotonic(), 0.0
        self._sink.begin(self._topology)
        self._history.spare("feed", self._publisher.begin)

    def _make_collector(self) -> Collector:
        samples = [action.sample for action in self._actions if action.sample is not None]
        digest = 0 if self._samples is None else self._samples.digest
        return Collector(
            self._topology,
            roll=Roll(self._mailbox.run, self._options.data or digest, len(self._labels)),
            samples=self._total,
            prior_class=self._bundle.manifest.prior_class,
            patience_s=patience_s(self._topology),
            window=self._options.window,
            rate_hz=self._options.rate_hz,
            halts=[sample for sample in samples if sample < self._total],
        )

    def _make_joining(self) -> Joining:
        return Joining(
            self._topology,
            self._collector,
            self._mailbox,
            processes=self._processes,
            operator=self._operator,
            standing=self._standing,
            remote=self._remote,
            timeout_s=self._options.ready_s,
            turn=lambda: self._turn(POLL_S),
            say=self._history.say,
        )

    def _start_nodes(self, workplace: Workplace) -> None:
        start_nodes(
            self._processes,
            self._bundle,
            self._local,
            workplace=workplace,
            samples=self._samples,
            options=self._options,
            account_s=self._account_s,
        )

    def _end(self, interrupted: str = "") -> dict[str, Any]:
        """Takes the accounts, writes what is left to write."""
        duration_s = self._duration_s
        self._take_answers()
        report = self._report(self._stop_all(), duration_s=duration_s, interrupted=interrupted)
        self._sink.close(report, self._supervision.memory.rows)
        self._history.spare(
            "feed", lambda: self._publisher.end(self._collector.accounts, interrupted)
        )
        return report

    @property
    def _duration_s(self) -> float:
        """Since the first capture, halts left out."""
        return time.monotonic() - self._begun_s - self._halted_s

    def _report(
        self, states: dict[str, NodeState], *, duration_s: float, interrupted: str = ""
    ) -> dict[str, Any]:
        report = build_report(
            self._collector,
            self._bundle,
            self._tally,
            command=self.command,
            states=states,
            history=self._history,
            duration_s=duration_s,
            ready_s=self._ready_s,
        )
        if self._idle_share is not None:
            report["idle_core_share"] = self._idle_share
        if interrupted:
            report |= {"interrupted": True, "why": interrupted, "samples_wanted": self._total}
        return report

    def _take_answers(self) -> None:
        found = [(a, self._label(a.sample)) for a in self._collector.take_answers()]
        for answer, label in found:
            self._tally.add(answer, label)
            self._sink.add(answer, label)
        if found:
            self._history.spare("feed", lambda: self._publisher.verdicts(found))

    def _label(self, sample: int) -> int | None:
        """The sample's true class; None where it is not known."""
        labels = self._labels
        return labels[(sample & MOST_SAMPLE) % len(labels)] if labels else None

    def abandon(self) -> None:
        """Other hosts' nodes end with a launch that ends early; ours do anyway."""
        self._tell_to_stop(self._remote)

    def _idle(self, idle_s: float) -> float:
        """Processor time of all nodes and the launcher while nothing is asked, of one core."""
        begun_s, used_s = time.monotonic(), self._processes.cpu_s() + time.process_time()
        while time.monotonic() < begun_s + idle_s:
            self._turn(POLL_S)
        used_s = self._processes.cpu_s() + time.process_time() - used_s
        return used_s / (time.monotonic() - begun_s)

    def _run_samples(self, control: ControlServer) -> None:
        """From the first capture to the last answer."""
        collector = self._collector
        begun_s, looked_s = self._begun_s, 0.0
        while not collector.is_done:
            waits = collector.answered < collector.asked or self._options.rate_hz
            self._turn(POLL_S if waits else 0)
            # right after a turn: time spent elsewhere must not count as the nodes' silence
            send_all(self._mailbox, collector.tick(time.monotonic()))
            self._take_answers()
            if collector.gone or time.monotonic() >= looked_s + LOOK_S:
                looked_s = time.monotonic()
                self._history.spare("orders by hand", control.poll)
                self._look(looked_s - begun_s)
            if collector.halted_at is not None:
                halt_s = time.monotonic()
                self._act_at(collector.halted_at)
                self._halted_s += time.monotonic() - halt_s
        self._history.progress(collector.answered)
        self._supervision.note_what_never_came()

    def _look(self, seconds: float) -> None:
        """At everything beside the samples: nothing of it ends the run."""
        if self._options.seconds is not None and seconds >= self._options.seconds:
            self._collector.ask_no_more()
        self._supervision.look(seconds, self._standing.fell_silent)
        self._history.spare("verdicts", self._sink.flush)
        self._history.spare("report", self._report_so_far)
        self._history.spare("feed", self._publish)
        self._history.progress(self._collector.answered)

    def _publish(self) -> None:
        """How nodes and links stand."""
        self._publisher.look(
            lambda: {name: self._standing.event(name) for name in self._topology.nodes},
            self._accounts_so_far,
        )

    def _accounts_so_far(self) -> dict[str, Account]:
        own = self._mailbox.ledger.account(run=self._mailbox.run)
        return {**self._collector.accounts, COLLECTOR: own}

    def about(self) -> dict[str, Any]:
        """See launcher.about."""
        states = {name: self._standing.event(name)["state"] for name in self._topology.nodes}
        return about(self._bundle, self._options.host, states, self._history.said)

    def _report_so_far(self) -> None:
        """It is what is left of a launch that is killed."""
        if time.monotonic() < self._report_due_s:
            return
        self._report_due_s = time.monotonic() + REPORT_S
        states = {name: self._standing.of(name) for name in self._topology.nodes}
        report = self._report(states, duration_s=self._duration_s, interrupted="not over yet")
        self._sink.write_report(report)

    def _turn(self, timeout_s: float) -> None:
        send_all(self._mailbox, self._collector.lead(time.monotonic()))
        due_s = self._collector.due_s(time.monotonic())
        timeout_s = min(timeout_s, max(0.0, due_s - time.monotonic()))
        received = self._mailbox.receive(timeout_s)
        if lost_s := self._awake.look(timeout_s):
            self._collector.excuse(lost_s)
        for sender, message in received:
            self._collector.handle(sender, message, time.monotonic())
        self._standing.heard_s = time.monotonic()

    def _act_at(self, sample: int) -> None:
        """Everything the plan has for this sample; nodes that come back are waited for, and that
        what was told has taken hold."""
        due = [action for action in self._actions if action.sample == sample]
        for action in due:
            self._supervision.act(action)
        if any(action.ends or action.failure.kind == "recover" for action in due):
            self._joining.wait_back()
        wait_confirmed(
            {action.failure.at_node for action in due} & set(self._local),
            self._operator,
            self._processes,
            turn=self._turn,
            say=self._history.say,
        )
        # it says what silence is planned from here
        self._history.spare("pause", self._supervision.note_pause)
        self._collector.release()

    def _stop_all(self) -> dict[str, NodeState]:
        """Tells all nodes, here and on other hosts, to end, and takes their accounts. Our sockets
        are closed before anybody waits for a process: nobody reads them by then."""
        states = {name: self._standing.of(name) for name in self._topology.nodes}
        running = set(self._processes.pids())
        running |= {name for name in self._remote if not self._standing.is_silent(name)}
        self._tell_to_stop(running.union(self._remote))  # one that hangs ends when it goes on
        take_accounts(
            self._collector, self._mailbox, running, turn=self._turn, say=self._history.say
        )
        return states

    def _tell_to_stop(self, names: Iterable[str]) -> None:
        for name in names:
            self._mailbox.send(name, Stop())
