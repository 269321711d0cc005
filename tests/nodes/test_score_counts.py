"""A device counts what its scores look like, now and then."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.nodes.section import COUNT_EVERY, Destinations, SectionPart, ViewSource
from ddnn.wire.codec import EVENTS
from ddnn.wire.messages import Capture


class Engine:
    """Gives every row the same scores."""

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        return {"scores": np.tile(np.float32([0.0, 3.0, 0.5]), (len(inputs["views"]), 1))}


def counted(*, counts_scores: bool) -> Counter[str]:
    """What a device counts of some batches of two samples."""
    events: Counter[str] = Counter()
    source = ViewSource(np.zeros((4, 1, 2, 2), dtype=np.uint8), view=0)
    to = Destinations(exit_at="gateway", parent=None)
    engine: Any = Engine()
    part = SectionPart(source, engine, to, events, counts_scores=counts_scores)
    for number in range(3 * COUNT_EVERY):
        part.handle("collector", Capture([2 * number, 2 * number + 1]), 0.0)
        part.tick(0.0)
    return events


def test_one_batch_in_so_many_is_counted_by_names_that_accounts_know():
    events = counted(counts_scores=True)
    assert events == {"scores-07": 2 * 3}
    assert set(events) <= set(EVENTS)


def test_nothing_is_counted_where_nobody_looks():
    assert not counted(counts_scores=False)
