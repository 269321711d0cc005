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
        first, self._samples = self._samples, self._samples + samples
        return first

    def start_at(self, sample: int) -> None:
        """The number of its first sample, before it has asked for any."""
        self._first = self._next = self._samples = sample

    def close(self) -> int:
        """Asks for nothing more, also not for what waited; returns the next sample's number."""
        self._samples = self._next
        return self._next

    def give_up(self, now_s: float) -> None:
        """Answers all that was wanted and is not answered with what is known of it now."""
        for sample in range(self._next, self._samples):
            self._drafts[sample], self._open[sample] = Draft(now_s), now_s
        self._next = self._samples
        for sample in list(self._open):
            if self._drafts[sample].exit == NO_EXIT:
                self._give_up(sample, now_s)
            else:
                self._drafts[sample].degraded = True
                self._answer(sample, now_s)

    @property
    def wanted(self) -> int:
        """Samples wanted so far: the next one's number."""
        return self._samples

    @property
    def waiting_answers(self) -> list[Answer]:
        """What `take_answers` will hand out."""
        return self._answers

    @property
    def room(self) -> int:
        """How many may be asked for before others are answered."""
        return max(0, self._window - len(self._open) - (self._samples - self._next))

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
