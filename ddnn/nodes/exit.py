"""The part of a node that holds an exit: fuses a tier's scores, answers or asks for features.

Axes: N samples, M members of the tier, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.decision import decide, decide_one, is_sure, is_sure_of_one
from ddnn.nodes.base import Outgoing
from ddnn.nodes.engine import Engine
from ddnn.nodes.gather import ClosedWindows, Gather
from ddnn.topology import COLLECTOR
from ddnn.wire.messages import Ask, Expect, Heartbeat, Message, Scores, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeper:
    """What lies beyond an exit.

    members: the tier's own nodes, who are asked for features, in the gather's order.
    above: the nodes of the next tier, who are told what to expect.
    """

    members: tuple[str, ...]
    above: tuple[str, ...]


class ExitPart:
    """Answers when it is sure. Otherwise its answer is provisional and it asks for features."""

    def __init__(
        self,
        gather: Gather,
        engine: Engine,
        rule: Callable[[], ExitRule],
        deeper: Deeper | None,
        *,
        views: int,
        prior_class: int,
    ) -> None:
        """rule: asked for each batch, it may change. deeper: None at the last exit. views: how many
        there are, the answer's bits where all have a part. prior_class: the answer where nobody
        sees anything."""
        self._prior_class = prior_class
        self._everybody = (1 << views) - 1
        self._gather = gather
        self._engine = engine
        self._rule = rule
        self._deeper = deeper
        self._now_s = 0.0

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Part."""
        self._now_s = now_s
        if isinstance(message, Scores):
            self._gather.put(sender, message.samples_N, message.views_N, message.scores_NK, now_s)
        elif isinstance(message, Expect):
            self._gather.expect(message.samples_N, message.views_N)
        elif isinstance(message, Heartbeat):
            self._gather.liveness.hear_beat(sender, message, now_s)

    def tick(self, now_s: float) -> list[Outgoing]:
        """See Part."""
        self._now_s = now_s
        return [out for batch in self._gather.close(now_s) for out in self._decide(batch)]

    def due_s(self) -> float | None:
        """See Part."""
        return self._gather.due_s(self._now_s)

    def _decide(self, batch: ClosedWindows) -> list[Outgoing]:
        inputs = {"scores": batch.stacked, "present": batch.present_NM}
        logits_NK = self._engine.run(inputs)["logits"]
        predicted_N, entropy_N, probability_N, sure_N = self._decided(logits_NK, batch.views_N)
        for row, views in enumerate(batch.views_N):
            if not views:
                predicted_N[row], sure_N[row] = self._prior_class, True
        verdict = Verdict(
            batch.samples_N,
            batch.views_N,
            predicted_N,
            entropy_N,
            sure_N,
            probability_N,
        )
        outgoing = [Outgoing(COLLECTOR, verdict)]
        unsure = [row for row, sure in enumerate(sure_N) if not sure]
        if self._deeper is not None and unsure:
            outgoing += _go_deeper(self._deeper, batch, unsure)
        return outgoing

    def _decided(
        self, logits_NK: NDArray[np.float32], views_N: Sequence[int]
    ) -> tuple[list[int], list[float], list[float], list[bool]]:
        """Class, entropy, probability, and whether that is sure enough."""
        rule = self._rule()
        if len(logits_NK) == 1:
            predicted, entropy, probability = decide_one(logits_NK[0].tolist(), rule.temperature)
            own = rule.threshold_for(self._lost(views_N[0]))
            sure = is_sure_of_one(entropy, own if self._deeper else None)
            return [predicted], [entropy], [probability], [sure]
        found = decide(logits_NK, rule.temperature)
        lost_N = np.array([self._lost(views) for views in views_N])
        sure_N = is_sure(found.entropy_N, rule.thresholds(lost_N) if self._deeper else None)
        predicted_N, entropy_N, probability_N = (values_N.tolist() for values_N in found)
        return predicted_N, entropy_N, probability_N, sure_N.tolist()

    def _lost(self, views: int) -> int:
        """How many views have no part."""
        return (self._everybody & ~views).bit_count()


def _go_deeper(deeper: Deeper, batch: ClosedWindows, unsure: list[int]) -> list[Outgoing]:
    """unsure: rows of the batch."""
    samples_N = [batch.samples_N[row] for row in unsure]
    expect = Expect(samples_N, [batch.views_N[row] for row in unsure])
    outgoing = [Outgoing(name, expect) for name in deeper.above]
    for place, member in enumerate(deeper.members):
        asked_N = [batch.samples_N[row] for row in unsure if batch.delivered_N[row] >> place & 1]
        if asked_N:
            outgoing.append(Outgoing(member, Ask(asked_N)))
    return outgoing
