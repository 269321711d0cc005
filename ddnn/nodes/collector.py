"""Asks for samples, takes the verdicts, and sees to it that each sample is answered just once.

An exit that is unsure sends its answer all the same; the collector keeps it until a deeper exit
answers. If none can, or none does in time, the deepest answer so far is the verdict, `degraded`.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.base import Outgoing
from ddnn.nodes.gather import SLOTS
from ddnn.nodes.liveness import Liveness
from ddnn.report.verdicts import UNANSWERED
from ddnn.topology import Tier, Topology
from ddnn.wire.messages import MAX_ROWS, Account, Capture, Heartbeat, Message, Verdict

NO_EXIT = -1
ASK_AGAIN_S = 0.2
"""Time between two captures of a sample that the restarted first exit has not answered yet."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A node fell silent (or came back) while `sample` was the next to be asked for.

    silent_s: how long nothing had come from it when that was noticed.
    """

    node: str
    sample: int
    back: bool
    silent_s: float = field(default=0.0, compare=False)


class Collector:
    """Decides for the launcher as a node does: `handle`, `tick`, no I/O.

    Results, by sample: exit_N (index into the topology's exits, -1 for the prior class),
    predicted_N, entropy_N, present_NV, degraded_N, latency_N (seconds from Capture to answer).
    """

    def __init__(
        self,
        topology: Topology,
        *,
        samples: int,
        prior_class: int,
        patience_s: float,
        window: int | None = None,
        halts: Sequence[int] = (),
    ) -> None:
        """halts: samples before which to finish all others and wait for `release`."""
        self.exit_N = np.full(samples, NO_EXIT)
        self.predicted_N = np.full(samples, UNANSWERED)
        self.entropy_N: NDArray[np.float32] = np.ones(samples, dtype=np.float32)
        self.present_NV: NDArray[np.bool_] = np.zeros((samples, topology.views), dtype=bool)
        self.degraded_N: NDArray[np.bool_] = np.zeros(samples, dtype=bool)
        self.latency_N: NDArray[np.float64] = np.full(samples, np.nan)
        self.accounts: dict[str, Account] = {}
        self.unreached: dict[str, int] = {}
        self.gone: list[Gone] = []
        self.late_verdicts = 0
        self.liveness = Liveness(tuple(topology.nodes), patience_s)
        self._devices = topology.devices
        self._holders = [tier.exit.at for tier in topology.exits.values() if tier.exit]
        self._beyond = [self._next_holders(topology, tier) for tier in topology.exits.values()]
        self._exit_number = {holder: number for number, holder in enumerate(self._holders)}
        self._window = window or topology.collector.window
        self._answer_s = topology.collector.answer_ms / 1000
        self._prior_class = prior_class
        self._halts = sorted(set(halts))
        self._next = 0
        self._open: dict[int, float] = {}
        self._again: set[int] = set()
        self._again_s = 0.0
        self._epochs: dict[str, int] = {}
        self._sent_s: NDArray[np.float64] = np.zeros(samples)
        self._alive_M = np.ones(len(topology.nodes), dtype=bool)

    @property
    def is_done(self) -> bool:
        """Every sample is answered."""
        return self._next == len(self.exit_N) and not self._open

    @property
    def asked(self) -> int:
        """Samples asked for so far, and the next one's number."""
        return self._next

    @property
    def answered(self) -> int:
        """Samples answered so far."""
        return self._next - len(self._open)

    @property
    def halted_at(self) -> int | None:
        """The sample before which everything waits for `release`, if it has come to that."""
        if self._halts and self._next == self._halts[0] and not self._open:
            return self._next
        return None

    def release(self) -> None:
        """Goes on after a halt."""
        del self._halts[0]

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes one message in."""
        self.liveness.hear(sender, now_s)
        match message:
            case Verdict():
                self._take_verdict(sender, message, now_s)
            case Heartbeat(unreached, epoch):
                self.unreached[sender] = unreached
                if self._epochs.get(sender, epoch) != epoch:
                    self._restarted(sender, now_s)
                self._epochs[sender] = epoch
            case Account():
                self.accounts[sender] = message

    def tick(self, now_s: float) -> list[Outgoing]:
        """Settles what cannot wait longer, asks for more samples."""
        self._watch(now_s)
        if self._open:
            self._settle(now_s)
        return self._ask_again(now_s) + self._capture(now_s)

    def due_s(self, now_s: float) -> float | None:
        """When `tick` is due though no message comes."""
        if not self._open:
            return None
        times = [min(self._open.values()) + self._answer_s]
        lost_s = self.liveness.next_change_s(now_s)
        times += [] if lost_s is None else [lost_s]
        times += [self._again_s] if self._again else []
        return min(times)

    def _capture(self, now_s: float) -> list[Outgoing]:
        end = self._halts[0] if self._halts else len(self.exit_N)
        oldest = next(iter(self._open), self._next)  # further than SLOTS on, its slot is taken
        count = min(self._window - len(self._open), end - self._next, oldest + SLOTS - self._next)
        if count <= 0:
            return []
        samples = np.arange(self._next, self._next + count, dtype=np.uint32)
        self._sent_s[samples] = now_s
        self._open.update(dict.fromkeys(samples.tolist(), now_s))
        self._next += count
        return self._captures(samples)

    def _captures(self, samples: NDArray[np.uint32]) -> list[Outgoing]:
        return [
            Outgoing(device, Capture(samples[i : i + MAX_ROWS]))
            for i in range(0, len(samples), MAX_ROWS)
            for device in self._devices
        ]

    def _ask_again(self, now_s: float) -> list[Outgoing]:
        """Samples that the first exit lost when it went away: devices are asked once more."""
        self._again = {s for s in self._again if s in self._open and self.exit_N[s] == NO_EXIT}
        if not self._again or now_s < self._again_s:
            return []
        self._again_s = now_s + ASK_AGAIN_S
        return self._captures(np.array(sorted(self._again), dtype=np.uint32))

    def _restarted(self, node: str, now_s: float) -> None:
        """A node came back and knows nothing of what it had: see to the samples it had."""
        if node not in self._holders:
            return
        number = self._exit_number[node]
        for sample in [s for s in self._open if self.exit_N[s] == number - 1]:
            self.degraded_N[sample] = True
            if number == 0:
                self._again.add(sample)
            else:
                self._answer(sample, now_s)

    def _take_verdict(self, sender: str, verdict: Verdict, now_s: float) -> None:
        number = self._exit_number[sender]
        rows = zip(verdict.samples_N.tolist(), verdict.final_N.tolist(), strict=True)
        for row, (sample, final) in enumerate(rows):
            if sample not in self._open:
                self.late_verdicts += 1
                continue
            if number < self.exit_N[sample]:
                continue  # a provisional answer, overtaken by a deeper exit's
            self.exit_N[sample] = number
            self.predicted_N[sample] = verdict.predicted_N[row]
            self.entropy_N[sample] = verdict.entropy_N[row]
            self.present_NV[sample] = verdict.present_NV[row]
            if not self.present_NV[sample].any():
                self.exit_N[sample] = NO_EXIT
                self.degraded_N[sample] = True
            if final or number == len(self._holders) - 1:
                self._answer(sample, now_s)
            else:
                self._open[sample] = now_s

    def _next_holders(self, topology: Topology, tier: Tier) -> set[str]:
        """Who may answer once this tier's exit was unsure: the next exit, and, where the tier's
        nodes have a fallback, the exit of the fallback's tier."""
        number = [t.name for t in topology.exits.values()].index(tier.name)
        fallbacks = {topology.nodes[name].fallback for name in topology.members(tier.name)}
        roles = {topology.nodes[name].role for name in fallbacks if name is not None}
        beyond = {t.exit.at for t in topology.tiers if t.exit and t.name in roles}
        return beyond | set(self._holders[number + 1 : number + 2])

    def _answer(self, sample: int, now_s: float) -> None:
        del self._open[sample]
        self.latency_N[sample] = now_s - self._sent_s[sample]

    def _settle(self, now_s: float) -> None:
        """Answers with what there is where nothing deeper can come or none came in time."""
        nobody = not any(self.liveness.is_alive(name, now_s) for name in self._devices)
        dead = {h for h in self._holders if not self.liveness.is_alive(h, now_s)}
        if not dead and not nobody and now_s < min(self._open.values()) + self._answer_s:
            return
        for sample, news_s in list(self._open.items()):
            exit_number = int(self.exit_N[sample])
            overdue = now_s >= news_s + self._answer_s
            if exit_number == NO_EXIT:
                if overdue or nobody:
                    self.predicted_N[sample] = self._prior_class
                else:
                    continue
            elif not overdue and not self._beyond[exit_number] <= dead:
                continue
            self.degraded_N[sample] = True
            self._answer(sample, now_s)

    def _watch(self, now_s: float) -> None:
        """Notes who fell silent and who came back."""
        alive_M = self.liveness.alive_M(now_s)
        for place in np.flatnonzero(alive_M != self._alive_M):
            name = self.liveness.members[place]
            silent_s = self.liveness.silence_s(name, now_s)
            self.gone.append(Gone(name, self._next, bool(alive_M[place]), silent_s))
            if alive_M[place]:
                self._restarted(name, now_s)
        self._alive_M = alive_M
