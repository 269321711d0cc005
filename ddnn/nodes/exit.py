"""The part of a node that holds an exit: fuses a tier's scores, answers or asks for features.

Axes: N samples, M members of the tier, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ddnn.bundle.manifest import ExitRule
from ddnn.decision import decide, is_sure
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
        prior_class: int,
    ) -> None:
        """rule: asked for each batch, it may change. deeper: None at the last exit. prior_class:
        the answer where nobody sees anything."""
        self._prior_class = prior_class
        self._gather = gather
        self._engine = engine
        self._rule = rule
        self._deeper = deeper
        self._now_s = 0.0

    def handle(self, sender: str, message: Message, now_s: float) -> None:
        """See Part."""
        self._now_s = now_s
        match message:
            case Scores(samples_N, views_N, scores_NK):
                self._gather.put(sender, samples_N, views_N, scores_NK, now_s)
            case Expect(samples_N, views_N):
                self._gather.expect(samples_N, views_N)
            case Heartbeat():
                self._gather.liveness.hear(sender, now_s)

    def tick(self, now_s: float) -> list[Outgoing]:
        """See Part."""
        self._now_s = now_s
        return [out for batch in self._gather.close(now_s) for out in self._decide(batch)]

    def due_s(self) -> float | None:
        """See Part."""
        return self._gather.due_s(self._now_s)

    def _decide(self, batch: ClosedWindows) -> list[Outgoing]:
        logits_NK = self._engine.run(
            {
                "scores": np.stack(batch.values, axis=1),
                "present": batch.delivered_NM.astype(np.float32),
            }
        )["logits"]
        rule = self._rule()
        decision = decide(logits_NK, rule.temperature)
        threshold = rule.threshold if self._deeper else None
        found = zip(
            batch.views_N,
            decision.predicted_N.tolist(),
            is_sure(decision.entropy_N, threshold).tolist(),
            strict=True,
        )
        answers = [(p, sure) if views else (self._prior_class, True) for views, p, sure in found]
        verdict = Verdict(
            batch.samples_N,
            batch.views_N,
            [predicted for predicted, _ in answers],
            decision.entropy_N.tolist(),
            [sure for _, sure in answers],
            decision.probability_N.tolist(),
        )
        outgoing = [Outgoing(COLLECTOR, verdict)]
        unsure = [row for row, (_, sure) in enumerate(answers) if not sure]
        if self._deeper is not None and unsure:
            outgoing += _go_deeper(self._deeper, batch, unsure)
        return outgoing


def _go_deeper(deeper: Deeper, batch: ClosedWindows, unsure: list[int]) -> list[Outgoing]:
    """unsure: rows of the batch."""
    samples_N = [batch.samples_N[row] for row in unsure]
    expect = Expect(samples_N, [batch.views_N[row] for row in unsure])
    outgoing = [Outgoing(name, expect) for name in deeper.above]
    for place, member in enumerate(deeper.members):
        asked_N = [batch.samples_N[row] for row in unsure if batch.delivered_NM[row, place]]
        if asked_N:
            outgoing.append(Outgoing(member, Ask(asked_N)))
    return outgoing
