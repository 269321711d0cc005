"""Asks for samples, takes the verdicts, and sees to it that each sample is answered just once.

An exit that is unsure sends its answer all the same; the collector keeps it until a deeper exit
answers. If none can, or none does in time, the deepest answer so far is the verdict, `degraded`.

An answer past a node (Topology.bypassable) is `degraded` too, and in doubt while that node lives:
it may come of one child that lost the node's heartbeats, while the node is at work on the sample.
In doubt it holds only if it stands for all views that the answer before it stood for.

Axes: N samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ddnn.nodes.asking import MOST_SAMPLE, Asking, captures
from ddnn.nodes.base import Outgoing
from ddnn.nodes.drafts import Draft, Found, found_by
from ddnn.nodes.holders import Holders
from ddnn.nodes.liveness import Liveness
from ddnn.nodes.noticed import Gone, Noticed
from ddnn.nodes.roll_call import RollCall
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.topology import Topology
from ddnn.wire.messages import Account, Heartbeat, Hello, Message, Roll, Verdict

ASK_AGAIN_S = 0.2
"""Time between two captures of a sample that the restarted first exit has not answered yet."""
PAUSE_S = 30.0
"""How long capture waits for a device to be heard again while none is."""


class Collector:
    """Decides for the launcher as a node does: `handle`, `lead`, `tick`, no I/O.

    It leads the run: whoever says hello is called into it, and as long as its heartbeats are heard
    no node leaves for another run.

    Answers are handed out once, by `take_answers`; ddnn.nodes.recorder keeps them all.
    late_verdicts: final answers to samples that had theirs, or that were never asked for.
    pause_s: how long to ask for no more samples while no device is heard, PAUSE_S unless whoever
    runs it knows better; after that the commonest class answers. paused_s: how long it has so far.
    lead: what leads the run, see RollCall.
    """

    def __init__(
        self,
        topology: Topology,
        *,
        roll: Roll,
        samples: int,
        prior_class: int,
        patience_s: float,
        window: int | None = None,
        rate_hz: float | None = None,
        halts: Sequence[int] = (),
        first: int = 0,
        asks: Sequence[str] | None = None,
    ) -> None:
        """roll: what to call nodes into. samples: to ask for, all rounds together. window: samples
        in flight at most. rate_hz: samples asked for in a second, None: as fast as they are
        answered. halts: samples before which to finish all others and wait for `release`. first:
        the number of the first sample. asks: who gets captures, None: one device of each process,
        which hands them on, see nodes.pack."""
        self._nodes = tuple(topology.nodes)
        heartbeat_s = topology.heartbeat.interval_ms / 1000
        self._roll_call = RollCall(self._nodes, roll, heartbeat_s)
        self.lead = self._roll_call.lead
        self._asking = Asking(
            first=first,
            samples=samples,
            window=window or topology.collector.window,
            rate_hz=rate_hz,
            halts=halts,
        )
        self._drafts: dict[int, Draft] = {}  # of the samples in `_open`
        self._answers: list[Answer] = []
        self.accounts: dict[str, Account] = {}
        self.gone: list[Gone] = []
        self.late_verdicts = 0
        self.pause_s = PAUSE_S
        self.paused_s = 0.0
        self.is_paused = False
        self._unheard_s: float | None = None  # since when no device is heard
        self._looked_s = 0.0
        self.liveness = Liveness(tuple(topology.nodes), patience_s)
        self._devices = topology.devices
        self._holders = Holders(topology, self.liveness)
        self._asks = topology.asked_devices if asks is None else tuple(asks)
        self._views = (1 << topology.views) - 1
        self._device_bits = sum(
            1 << place for place, name in enumerate(topology.nodes) if name in self._devices
        )
        self._answer_s = topology.collector.answer_ms / 1000
        self._prior_class = prior_class
        self._open: dict[int, float] = {}
        self._again: set[int] = set()
        self._again_s = 0.0
        self._everyone = (1 << len(topology.nodes)) - 1
        self._noticed = Noticed(self.liveness)

    def take_answers(self) -> list[Answer]:
        """The samples answered since the last call, in the order in which they were."""
        taken, self._answers = self._answers, []
        return taken

    def take_gone(self) -> list[Gone]:
        """Who fell silent or came back since the last call."""
        taken, self.gone = self.gone, []
        return taken

    @property
    def data(self) -> int:
        """Digest of the samples, see Roll."""
        return self._roll_call.roll.data

    @property
    def unreached(self) -> dict[str, int]:
        """See RollCall."""
        return self._roll_call.unreached

    @property
    def other_data(self) -> dict[str, int]:
        """See RollCall."""
        return self._roll_call.other_data

    def ask_no_more(self) -> None:
        """The samples asked for so far are all that there will be."""
        self._asking.stop()

    @property
    def is_done(self) -> bool:
        """Every sample is answered."""
        return self._asking.next == self._asking.end and not self._open

    @property
    def asked(self) -> int:
        """Samples asked for so far, and the next one's number."""
        return self._asking.next

    @property
    def answered(self) -> int:
        """Samples answered so far."""
        return self._asking.next - self._asking.first - len(self._open)

    @property
    def halted_at(self) -> int | None:
        """The sample before which everything waits for `release`, if it has come to that."""
        return None if self._open else self._asking.halt

    def release(self) -> None:
        """Goes on after a halt."""
        self._asking.release()

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes one message in."""
        if isinstance(message, Hello):
            self._roll_call.answer(sender, message)
            return
        self.liveness.hear(sender, now_s)
        match message:
            case Verdict():
                self._take_verdict(sender, message, now_s)
            case Heartbeat():
                self.liveness.hear_beat(sender, message, now_s)
                if self._roll_call.hear(sender, message):
                    self._lost_all(sender, self.liveness.alive(now_s), now_s)
            case Account() if message.run == self._roll_call.roll.run:
                self.accounts[sender] = message

    def excuse(self, by_s: float) -> None:
        """So long this process was not run: neither silence nor lateness is others' fault."""
        self.liveness.excuse(by_s)
        self._looked_s += by_s
        self._open = {sample: news_s + by_s for sample, news_s in self._open.items()}

    def tick(self, now_s: float) -> list[Outgoing]:
        """Settles what cannot wait longer, asks for more samples."""
        self._watch(now_s)
        self._look(now_s)
        if self._open:
            self._settle(now_s)
        return self._ask_again(now_s) + ([] if self.is_paused else self._capture(now_s))

    def due_s(self, now_s: float) -> float:
        """When `lead` or `tick` is due though no message comes."""
        times = [self._roll_call.due_s(), self._asking.due_s(len(self._open), self._oldest)]
        if self.is_paused:
            times.append((self._unheard_s or 0.0) + self.pause_s)
        if self._open:
            lost_s = self.liveness.next_change_s(now_s)
            waiting = set(self._lost()) if self.is_paused else ()
            news = [time_s for sample, time_s in self._open.items() if sample not in waiting]
            times.append(min(news, default=math.inf) + self._answer_s)
            times += [] if lost_s is None else [lost_s]
            times += [self._again_s] if self._again else []
        return min(times)

    def _look(self, now_s: float) -> None:
        """Whether to wait until a device is heard: without one, samples would be used up."""
        if self.is_paused:
            self._stand_still(now_s - self._looked_s)
        self._looked_s = now_s
        if self.liveness.alive(now_s) & self._device_bits:
            self._go_on()
            return
        if self._unheard_s is None:
            self._unheard_s = now_s
        waits = self._asking.is_wanted or bool(self._lost())
        self.is_paused = waits and now_s < self._unheard_s + self.pause_s

    def _stand_still(self, by_s: float) -> None:
        """A pause is not part of the time that an answer may take."""
        self.paused_s += by_s
        for sample in self._lost():
            self._open[sample] += by_s

    def _go_on(self) -> None:
        """A device is heard: what all of them lost is asked for again."""
        if self.is_paused:
            self._again.update(self._lost())
        self.is_paused, self._unheard_s = False, None

    def _lost(self) -> list[int]:
        """Samples in flight of which no exit has said anything."""
        return [sample for sample, draft in self._drafts.items() if draft.exit == NO_EXIT]

    @property
    def _oldest(self) -> int:
        return next(iter(self._open), self._asking.next)

    def _capture(self, now_s: float) -> list[Outgoing]:
        samples = self._asking.take(now_s, len(self._open), self._oldest)
        for sample in samples:
            self._drafts[sample] = Draft(now_s)
            self._open[sample] = now_s
        return captures(samples, self._asks)

    def _ask_again(self, now_s: float) -> list[Outgoing]:
        """Samples that were lost when the first exit, or all devices, went away: devices are asked
        once more."""
        drafts = self._drafts
        self._again = {s for s in self._again if s in drafts and drafts[s].exit == NO_EXIT}
        if not self._again or now_s < self._again_s:
            return []
        self._again_s = now_s + ASK_AGAIN_S
        return captures(sorted(self._again), self._asks)

    def _lost_all(self, node: str, alive: int, now_s: float) -> None:
        """A node knows nothing any more of the samples it had: see to them.

        alive: who was when it got them.
        """
        number = self._holders.exit_of(node)
        if number is None:
            return
        waiting = [s for s, draft in self._drafts.items() if draft.exit == number - 1]
        for sample in [s for s in waiting if self._holders.shares.had(s, node, alive)]:
            self._drafts[sample].degraded = True
            if number == 0:
                self._again.add(sample)
            else:
                self._answer(sample, now_s)

    def _take_verdict(self, sender: str, verdict: Verdict, now_s: float) -> None:
        number = self._holders.exit_of(sender)
        assert number is not None  # others have no way to send one
        for low, found in found_by(number, verdict, is_last=self._holders.is_last(number)):
            sample = self.asked - ((self.asked - low) & MOST_SAMPLE)  # the latest of this number
            draft = self._drafts.get(sample)
            if draft is None:
                self.late_verdicts += found.is_final
            elif number < draft.exit:
                continue  # a provisional answer, overtaken by a deeper exit's
            elif self._holders.is_doubtful(found, draft.found, now_s):
                draft.doubtful = found
            else:
                self._take(sample, found, now_s)

    def _take(self, sample: int, found: Found, now_s: float) -> None:
        self._drafts[sample].take(found)
        if found.is_final:
            self._answer(sample, now_s)
        else:
            self._open[sample] = now_s

    def _answer(self, sample: int, now_s: float) -> None:
        del self._open[sample]
        self._answers.append(self._drafts.pop(sample).answer(sample, now_s, self._views))

    def _settle(self, now_s: float) -> None:
        """Answers with what there is where nothing deeper can come or none came in time."""
        alive = self.liveness.alive(now_s)
        if alive == self._everyone and now_s < min(self._open.values()) + self._answer_s:
            return
        nobody = not alive & self._device_bits
        dead = self._holders.dead(now_s)
        for sample, news_s in list(self._open.items()):
            draft, overdue = self._drafts[sample], now_s >= news_s + self._answer_s
            doubtful = draft.doubtful
            if doubtful is not None and not self._holders.went_past_a_live_node(doubtful, now_s):
                self._take(sample, doubtful, now_s)
            elif draft.exit == NO_EXIT:
                if not self.is_paused and (overdue or nobody):
                    self._give_up(sample, now_s)
            elif overdue or self._holders.nobody_beyond(draft.exit, dead):
                draft.degraded = True
                self._answer(sample, now_s)

    def _give_up(self, sample: int, now_s: float) -> None:
        self._drafts[sample].give_up(self._prior_class)
        self._answer(sample, now_s)

    def _watch(self, now_s: float) -> None:
        """Notes who fell silent and who came back."""
        for gone in self._noticed.look(now_s, self.asked):
            self.gone.append(gone)
            if gone.back == self._holders.shares.is_alone(gone.node):
                # where others take over, they do so at once
                self._lost_all(gone.node, self._noticed.before, now_s)
