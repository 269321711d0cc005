"""What a simulation holds the system to, after each event. A promise that is broken raises.

answered once   each sample that is asked for gets one answer, in the time of its deadlines
masked model    a verdict is what the model says of the views that the verdict says took part
bytes           what a ledger counts is what was sent, and its payload the paper's equation
one run         nothing said in another run is believed, and no message twice
nobody out      a node that is well, on a way that is well, takes part, and is not refused
bounded         what a node remembers does not grow
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from ddnn.bundle.manifest import ExitRule
from ddnn.errors import DdnnError
from ddnn.nodes.masked import NEAR
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.simulation.codec import Parcel
from ddnn.simulation.health import Health
from ddnn.simulation.moved import Moved
from ddnn.simulation.oracle import Answers
from ddnn.simulation.state import size_of
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.ledger import Ledger
from ddnn.wire.messages import Message, kind_of
from ddnn.wire.routes import keepers

ENTROPY = 1e-3
"""Entropies that differ by less are equal: sums of another order."""
LOOK_S = 1.0
"""Virtual time between two looks at all ledgers and at what nodes remember."""


class BrokenPromiseError(DdnnError):
    """promise: its name, as above."""

    def __init__(self, promise: str, time_s: float, what: str) -> None:
        super().__init__(f"{promise}: {what}, at {time_s:.6f} s")
        self.promise = promise
        self.time_s = time_s


class Promises:
    """Watches one simulation."""

    def __init__(
        self,
        topology: Topology,
        oracle: Answers,
        health: Health,
        *,
        prior_class: int,
        recorded: int,
        grace_s: float,
        slack_s: float,
        coded: Collection[str],
        is_even: bool,
        pace_s: float,
    ) -> None:
        """recorded: sample s is recording s modulo this. grace_s: nobody who is well is left out
        for longer. slack_s: what an answer may take beside its deadlines. coded: nodes whose
        features are coded. is_even: all links are alike and lose nothing by themselves. pace_s:
        time between two samples that are asked for, 0: as soon as others are answered."""
        self._topology = topology
        self._oracle = oracle
        self._health = health
        self._prior_class = prior_class
        self._recorded = recorded
        self._grace_s = grace_s
        self._is_even = is_even
        self._slack_s = slack_s
        self._due_s = _deadlines_s(topology)
        upper = {COLLECTOR, *(n for n in topology.nodes if n not in topology.devices)}
        self._some_device = [frozenset({device, *upper}) for device in topology.devices]
        self._progress = (0, 0, 0.0)  # samples asked for and answered, and since when no more
        self._pace_s = pace_s
        self._exits = tuple(topology.exits)
        self._rules: tuple[ExitRule, ...] = ()
        self._exit_s = topology.collector.answer_ms / 1000 * len(self._exits)
        self._answer_s = topology.collector.answer_ms / 1000 * (len(self._exits) + 1)
        tiers = [tier.name for tier in topology.tiers]
        self._tier_of = [tiers.index(tier.name) for tier in topology.exits.values()]
        self._ways: dict[tuple[str, int], frozenset[str]] = {}
        self._run = 0
        self._answered: set[int] = set()
        self._moved = Moved(topology, coded)
        self._sizes: dict[str, int] = {}
        self.checked: Counter[str] = Counter()
        self.ties = 0

    @property
    def _now_s(self) -> float:
        return self._health.now_s

    def _break(self, promise: str, what: str) -> None:
        raise BrokenPromiseError(promise, self._now_s, what)

    # a run and its answers

    def begun(self, run: int, rules: tuple[ExitRule, ...]) -> None:
        """A new run: its samples count anew."""
        self._run, self._rules = run, rules
        self._answered = set()

    def answered(self, answer: Answer) -> None:
        """The collector handed out an answer."""
        if answer.sample in self._answered:
            self._break("answered once", f"sample {answer.sample} is answered again")
        self._answered.add(answer.sample)
        self.checked["answered once"] += 1
        self._check_time(answer)
        self._check_verdict(answer)
        self._check_presence(answer)

    def _check_time(self, answer: Answer) -> None:
        still_s = self._health.still_s(self._now_s - answer.latency_s)
        longest_s = self._answer_s + self._grace_s + still_s
        if answer.latency_s > longest_s:
            self._break(
                "answered once",
                f"sample {answer.sample} took {answer.latency_s:.3f} s, want {longest_s:.3f} s",
            )
        since_s = self._now_s - answer.latency_s - self._grace_s
        patient_s = self._exit_s + self._slack_s + still_s
        if answer.latency_s > patient_s and since_s >= 0 and self._health.are_well(_LEAD, since_s):
            self._break(
                "answered once",
                f"sample {answer.sample} took {answer.latency_s:.3f} s, want {patient_s:.3f} s: "
                "the collector was well",
            )
        due_s = self._due_s + self._slack_s
        if since_s < 0 or answer.latency_s <= due_s or not self._is_even:
            return
        if any(self._health.are_well(names, since_s) for names in self._some_device):
            self._break(
                "answered once",
                f"sample {answer.sample} took {answer.latency_s:.3f} s, want {due_s:.3f} s",
            )

    def check_progress(self, *, asked: int, answered: int) -> None:
        """While a collector runs, samples are asked for as they are to be, and answers come."""
        *before, since_s = self._progress
        if before != [asked, answered]:
            self._progress = (asked, answered, self._now_s)
            return
        longest_s = self._answer_s + STALL_S + (self._pace_s if asked == answered else 0)
        if self._now_s > since_s + longest_s:
            self._break("answered once", f"no answer for {longest_s:g} s, {answered} before")

    def ended(self, asked: int) -> None:
        """The run is over, and every sample that was asked for must have its answer."""
        lost = asked - len(self._answered)
        if lost:
            self._break("answered once", f"{lost} samples without an answer")

    def _check_verdict(self, answer: Answer) -> None:
        sample, place = answer.sample, answer.sample % self._recorded
        self.checked["masked model"] += 1
        if answer.exit == NO_EXIT:
            if answer.predicted != self._prior_class:
                self._break(
                    "masked model", f"sample {sample}: no exit and class {answer.predicted}"
                )
            return
        name = self._exits[answer.exit]
        expected = self._oracle.expected(answer.views, name)
        predicted, entropy = int(expected.predicted_N[place]), float(expected.entropy_N[place])
        is_tie = float(expected.margin_N[place]) < NEAR
        is_equal = predicted == answer.predicted or is_tie
        if abs(entropy - answer.entropy) < ENTROPY and is_equal:
            self.ties += predicted != answer.predicted
            self._check_sure(answer)
            return
        self._break(
            "masked model",
            f"sample {sample}: {name} exit says class {answer.predicted}, entropy "
            f"{answer.entropy:.4f} for views {answer.views:b}, want class {predicted}, entropy "
            f"{entropy:.4f}",
        )

    def _check_sure(self, answer: Answer) -> None:
        lost = self._topology.views - answer.views.bit_count()
        threshold = self._rules[answer.exit].threshold_for(lost)
        if answer.degraded or threshold is None or threshold >= 1:
            return
        if answer.entropy >= threshold:
            self._break(
                "masked model",
                f"sample {answer.sample}: entropy {answer.entropy:.4f} is answered by "
                f"{self._exits[answer.exit]}, not degraded, want below {threshold}",
            )

    def _check_presence(self, answer: Answer) -> None:
        """Whoever was well when the sample was asked for, and long before, has a part in it."""
        since_s = self._now_s - answer.latency_s - self._grace_s
        if since_s < 0 or not self._is_even or not self._health.are_well(_LEAD, since_s):
            return
        self.checked["nobody out"] += 1
        everyone = self._health.everyone
        if self._health.are_well(everyone, since_s) and answer.degraded and answer.views:
            self._break("nobody out", f"sample {answer.sample} is degraded, all is well")
        absent = self._oracle.absent_N[answer.sample % self._recorded]
        exit_number = max(answer.exit, 0)
        for view, device in enumerate(self._topology.devices):
            if (answer.views | absent) >> view & 1:
                continue
            if self._health.are_well(self._way(device, exit_number), since_s):
                self._break(
                    "nobody out",
                    f"{device} is well for {self._grace_s:g} s and has no part in sample "
                    f"{answer.sample}",
                )

    def _way(self, device: str, exit_number: int) -> frozenset[str]:
        """Who must be well for a device's view to take part in this exit's answer."""
        key = (device, exit_number)
        found = self._ways.get(key)
        if found is None:
            tiers = list(self._topology.exits.values())[: exit_number + 1]
            holders = {tier.exit.at for tier in tiers if tier.exit}
            roles = {tier.name for tier in self._topology.tiers[: self._tier_of[exit_number] + 1]}
            above = {
                n for n in _above(self._topology, device) if self._topology.nodes[n].role in roles
            }
            found = self._ways[key] = frozenset({COLLECTOR, device}) | holders | above
        return found

    # messages

    def started(self, node: str, boot: int) -> None:
        """A new process: it has counted nothing yet."""
        self._moved.begin(node)
        self._sizes.pop(node, None)
        self._health.started(node)

    def joined(self, node: str, run: int) -> None:
        """A node takes part in another run, and counts anew."""
        if run != self._run and node == COLLECTOR:
            return
        self._moved.begin(node)
        self._sizes.pop(node, None)

    def sent(self, node: str, peer: str, message: Message) -> None:
        """A message was taken by the network."""
        self._moved.count(node, (node, peer, kind_of(message)), message)

    def received(self, sender: str, node: str, message: Message) -> None:
        """A mailbox took in what came as bytes alone: nobody knows where it is from."""
        self._moved.count(node, (sender, node, kind_of(message)), message)

    def believed(self, node: str, *, boot: int, run: int, parcel: Parcel) -> None:
        """A mailbox took a message in."""
        author, kind = parcel.author, kind_of(parcel.message)
        if kind.is_of_a_run:  # what leads into a run may be said again
            if parcel.taken_by == boot:
                self._break("one run", f"{node} takes {kind.name} of {author.node} twice")
            if author.run != run:
                self._break("one run", f"{node} takes {kind.name} of {author.node}, another run's")
        parcel.taken_by = boot
        self.checked["one run"] += 1
        self._moved.count(node, (author.node, node, kind), parcel.message)

    def refused(self, node: str, parcel: Parcel) -> None:
        """A mailbox refused a message."""
        author, since_s = parcel.author, self._now_s - self._grace_s
        if since_s < 0 or parcel.taken_by or author.run != self._run or not self._is_even:
            return
        keeping = keepers(self._topology, author.node)  # say that an earlier start is gone
        if self._health.are_well(keeping | {node, author.node, COLLECTOR}, since_s):
            kind = kind_of(parcel.message).name
            self._break("nobody out", f"{node} refuses {kind} of {author.node}, both are well")

    def check_ledger(self, node: str, ledger: Ledger) -> None:
        """What it counted is what was moved."""
        self.checked["bytes"] += 1
        wrong = self._moved.wrong(node, ledger)
        if wrong is not None:
            self._break("bytes", wrong)

    def stopped(self, node: str, mailbox: Any) -> None:
        """A process is gone: what it counted is looked at a last time."""
        self.check_ledger(node, mailbox.ledger)
        self._health.stopped(node)

    # what nodes remember

    def check_size(self, name: str, *roots: object) -> None:
        """What a process remembers stays below a bound that its first look sets."""
        self.checked["bounded"] += 1
        size = size_of(*roots)
        first = self._sizes.setdefault(name, size)
        bound = 2 * first + ROOM * (2 + len(self._topology.nodes))
        if size > bound:
            self._break("bounded", f"{name} remembers {size} things, {first} at first")


def _deadlines_s(topology: Topology) -> float:
    """What all deadlines on a sample's way add up to."""
    exits = [tier.exit.deadline_ms for tier in topology.tiers if tier.exit]
    return sum([*exits, *(tier.deadline_ms for tier in topology.tiers[1:])]) / 1000


STALL_S = 20.0
"""No answer for so long is no answer ever."""
_LEAD = frozenset({COLLECTOR})
ROOM = 1024
"""Things that a node may come to remember of each other node: windows, late rows, sizes."""


def _above(topology: Topology, name: str) -> list[str]:
    """Its parent, that one's, and so on; fallbacks among them."""
    found, waiting = [], [name]
    while waiting:
        node = topology.nodes[waiting.pop()]
        above = [other for other in (node.parent, node.fallback) if other is not None]
        found += above
        waiting += above
    return found
