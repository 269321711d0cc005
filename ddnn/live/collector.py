"""The collector of a live system: samples are wanted one by one, and there is no end of them."""

from __future__ import annotations

from ddnn.nodes.collector import Collector
from ddnn.nodes.drafts import Draft
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.wire.messages import Message, Trigger


class LiveCollector(Collector):
    """See Collector: asks for a sample whenever one is wanted. triggered: events since the last
    look at it."""

    triggered = 0

    def want(self, samples: int) -> int:
        """So many more samples. Returns the number of the first."""
        first, self._asking.end = self._asking.end, self._asking.end + samples
        return first

    def start_at(self, sample: int) -> None:
        """The number of its first sample, before it has asked for any."""
        self._asking.first = self._asking.next = self._asking.end = sample

    def close(self) -> int:
        """Asks for nothing more, also not for what waited; returns the next sample's number."""
        self._asking.stop()
        return self.asked

    def give_up(self, now_s: float) -> None:
        """Answers all that was wanted and is not answered with what is known of it now."""
        for sample in range(self.asked, self.wanted):
            self._drafts[sample], self._open[sample] = Draft(now_s), now_s
        self._asking.next = self.wanted
        for sample in list(self._open):
            if self._drafts[sample].exit == NO_EXIT:
                self._give_up(sample, now_s)
            else:
                self._drafts[sample].degraded = True
                self._answer(sample, now_s)

    @property
    def wanted(self) -> int:
        """Samples wanted so far: the next one's number."""
        return self._asking.end

    @property
    def waiting_answers(self) -> list[Answer]:
        """What `take_answers` will hand out."""
        return self._answers

    @property
    def room(self) -> int:
        """How many may be asked for before others are answered."""
        return max(0, self._asking.window - len(self._open) - (self.wanted - self.asked))

    @property
    def is_idle(self) -> bool:
        """All that was wanted is answered."""
        return self.is_done

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """Takes one message in."""
        if isinstance(message, Trigger):
            self.triggered += 1
            self.liveness.hear(sender, now_s)
            return
        super().handle(sender, message, now_s)
