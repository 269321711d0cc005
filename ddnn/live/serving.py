"""One live system: a bundle's nodes as processes, asked for samples as they are wanted.

The same nodes, wire and exits as a launch; views come from the devices' sources, and there is no
end. Whoever turns it (ddnn.live.service) says when a sample is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.live.collector import LiveCollector
from ddnn.live.feed import Feed
from ddnn.live.sources.file import RecordedSource, SourcesFile
from ddnn.live.starting import start_live_nodes
from ddnn.live.truth import Truth
from ddnn.nodes.build import patience_s
from ddnn.nodes.loop import send_all
from ddnn.report.tables import OF_CAMERAS
from ddnn.report.verdicts import Answer
from ddnn.run.launcher.history import History
from ddnn.run.launcher.one_launch import LOOK_S, POLL_S, Launch
from ddnn.run.launcher.private_folder import Workplace
from ddnn.run.launcher.processes import Processes
from ddnn.run.launcher.publisher import Publisher
from ddnn.run.launcher.start import Options, Watcher
from ddnn.run.outcome import NodeState
from ddnn.topology import Topology
from ddnn.wire.messages import Account, Roll
from ddnn.wire.transport import Mailbox

PASSING = frozenset({"no-view", "black", "frozen", "unreadable"})
"""Of troubles with cameras, what a view is, and no camera or node that fails or comes back."""
ACCOUNT_S = 2.0
"""How often nodes tell what they counted, where nobody else says it."""
CALLED_S = 5.0
"""How long nodes of other hosts may take to hear that they are not needed."""
QUIET_S = 10.0
"""A camera's trouble that was told is told again after so long without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a live system sees. path: of the sources file. recorded_VN: by device, what a recorded
    source shows (N,C,H,W). labels: of these, where all devices are recorded and of one card.
    end: after how many samples nothing more comes; None: never."""

    path: Path
    sources: SourcesFile
    recorded: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    labels: tuple[int, ...] = ()
    end: int | None = None


class NoFiles:
    """A sink for what is only told: see one_launch.Sink."""

    def begin(self, topology: Topology) -> None:
        """Nothing is written."""

    def add(self, answer: Answer, label: int | None) -> None:
        """Nothing is written."""

    def flush(self) -> None:
        """Nothing is written."""

    def write_report(self, report: dict[str, Any]) -> None:
        """Nothing is written."""

    def close(self, report: dict[str, Any], memory: object) -> None:
        """Nothing is written."""


class Serving(Launch):
    """A system from its first process to its last; `truth` outlives it.

    missed: samples that the clock wanted and for which there was no room, for the report.
    """

    command = "serve"
    missed = 0
    _collector: LiveCollector

    def __init__(
        self,
        bundle: Bundle,
        live: Live,
        options: Options,
        *,
        sink: Any,
        processes: Processes,
        mailbox: Mailbox,
        watcher: Watcher | None,
        truth: Truth,
        first: int = 0,
        beside: Callable[[], None] | None = None,
        takes_over: bool = False,
    ) -> None:
        """first: the number of its first sample. beside: called while it waits for its nodes.
        takes_over: another system still runs on the same sources."""
        super().__init__(
            bundle,
            None,
            options,
            sink=sink,
            processes=processes,
            mailbox=mailbox,
            watcher=watcher,
        )
        self._history = History(watcher or Watcher(), self._note)
        self._live = live
        self._labels = list(live.labels)
        self._truth = truth
        self._first = first
        self._beside = beside
        self._takes_over = takes_over
        self._is_last = True
        self._looked_s = 0.0
        self._counted: dict[tuple[str, str], int] = {}
        self._told_s: dict[tuple[str, str], float] = {}

    @property
    def collector(self) -> LiveCollector:
        """Who asks and is answered."""
        return self._collector

    def begin(self, workplace: Workplace) -> None:
        """Until its nodes are ready. Raises DdnnError where they do not get so."""
        self._begin(workplace)
        self._beside = None

    def abandon(self) -> None:
        """See Launch. Nodes of other hosts that wait for it, to take the place of those that run,
        are called into its run first: else they would not believe that they are to end."""
        end_s = time.monotonic() + CALLED_S
        try:
            while self._takes_over and self._uncalled and time.monotonic() < end_s:
                self._turn(POLL_S)
        finally:
            super().abandon()

    @property
    def _uncalled(self) -> set[str]:
        """Nodes of other hosts that do not take part yet."""
        return set(self._remote) - self._collector.unreached.keys()

    def is_left(self) -> bool:
        """Whether a process of it still runs."""
        return bool(self._processes.pids())

    def make_room(self, sink: Any, beside: Callable[[], None]) -> None:
        """Another system goes on in its place: it answers what it was asked for, and its end is
        not the end. sink: takes its report. beside: turns the other, while this one ends."""
        self._sink, self._beside = sink, beside
        self._is_last = False

    def _make_collector(self) -> LiveCollector:
        return LiveCollector(
            self._topology,
            roll=Roll(self._mailbox.run),
            samples=0,
            prior_class=self._bundle.manifest.prior_class,
            patience_s=patience_s(self._topology),
            window=self._options.window,
            first=self._first,
        )

    def _start_nodes(self, workplace: Workplace) -> None:
        start_live_nodes(
            self._processes,
            self._bundle,
            self._local,
            workplace=workplace,
            options=self._options,
            account_s=self._account_s or ACCOUNT_S,
            recorded=self._live.recorded,
            sources=self._live.path,
            beside=self._beside or (lambda: None),
            takes_over=self._takes_over,
        )

    def _turn(self, timeout_s: float) -> None:
        if self._beside is not None:
            self._beside()
        super()._turn(timeout_s)

    def turn(self, timeout_s: float) -> None:
        """Messages in, answers out, and a look at everything beside the samples now and then."""
        self._turn(timeout_s)
        self.ask()
        if time.monotonic() >= self._looked_s + LOOK_S:
            self._looked_s = time.monotonic()
            self._look(self._looked_s - self._begun_s)

    def drain(self, alive: Callable[[], None] = lambda: None) -> None:
        """What was asked for is answered: by the exits, as long as each may take, and then by what
        is known. It waits for no camera, nor node, that may come back. alive: called in each turn.
        """
        exits = len(self._topology.exits)
        end_s = time.monotonic() + (exits + 1) * self._topology.collector.answer_ms / 1000
        while not self._collector.is_idle and time.monotonic() < end_s:
            self.turn(POLL_S if self._beside is None else 0)
            alive()
        self._collector.give_up(time.monotonic())
        self._take_answers()

    def ask(self) -> None:
        """Asks for what is wanted, settles what cannot wait."""
        send_all(self._mailbox, self._collector.tick(time.monotonic()))
        self._take_answers()

    def act(self, failure: dict[str, Any]) -> int:
        """A failure asked for by hand; returns the sample from which it holds."""
        return self._supervision.act_by_hand(failure)

    @property
    def pids(self) -> dict[str, int]:
        """Of its nodes that run here."""
        return self._processes.pids()

    def set_rules(self, rules: Mapping[str, ExitRule]) -> int:
        """By which threshold and temperature exits decide; returns the sample from which on."""
        plain = {name: rule.model_dump() for name, rule in rules.items()}
        for name in self._local:
            self._processes.set_rules(name, plain)
        return self._collector.asked

    def _note(self, entry: dict[str, Any]) -> None:
        """An entry of `failures`: told, and accuracy is counted anew from there on."""
        self._publisher.failure(entry)
        if entry["kind"] not in PASSING:
            self._truth.failed(entry.get("sample", self._collector.asked))

    def spare(self, what: str, do: Callable[[], object]) -> None:
        """Does it; whatever goes wrong is told and ends nothing."""
        self._history.spare(what, do)

    def _take_answers(self) -> None:
        for answer in self._collector.waiting_answers:
            self._truth.answered(answer, self._label(answer.sample), self._tally)
        super()._take_answers()

    def _look(self, seconds: float) -> None:
        super()._look(seconds)
        self._history.spare("cameras", self._look_at_cameras)

    def _look_at_cameras(self) -> None:
        """Tells when a camera's trouble begins, by what its device counts."""
        now_s = time.monotonic()
        for name, account in self._collector.accounts.items():
            for event, count in account.events:
                key = (name, event)
                grown = count > self._counted.get(key, 0)
                self._counted[key] = count
                if event not in OF_CAMERAS or not grown:
                    continue
                if now_s >= self._told_s.get(key, -QUIET_S) + QUIET_S:
                    entry = {"node": name, "kind": event, "sample": self._collector.asked}
                    self._history.add(entry)
                self._told_s[key] = now_s

    def finish(self, interrupted: str = "") -> dict[str, Any]:
        """Ends its nodes; what was found."""
        if not self._is_last:
            self._publisher = Publisher(Feed(), self._bundle, self.command, 0.0)  # to nobody
        return self._end(interrupted)

    def _report(
        self, states: dict[str, NodeState], *, duration_s: float, interrupted: str = ""
    ) -> dict[str, Any]:
        report = super()._report(states, duration_s=duration_s, interrupted=interrupted)
        report["known"] = self._tally.counts.known
        report["missed"] = self.missed
        report["views_missing"] = missing_views(self._collector.accounts, self._topology)
        return report


def missing_views(accounts: Mapping[str, Account], topology: Topology) -> dict[str, int]:
    """By device, the samples for which it had no view."""
    return {
        name: dict(account.events).get("no-view", 0)
        for name, account in accounts.items()
        if name in topology.devices
    }


def is_recorded(live: Live, device: str) -> bool:
    """Whether a device sees a data set in place of a camera."""
    return isinstance(live.sources.devices.get(device), RecordedSource)
