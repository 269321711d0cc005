"""What a launch notes about itself."""

from itertools import pairwise

import pytest
from builders import star_topology

from ddnn.run.failures.failure import parse_failure
from ddnn.run.failures.orders import Order
from ddnn.run.launcher.history import MAX_ENTRIES, MAX_NOTES, History
from ddnn.run.launcher.memory_notes import MAX_LOOKS, MemoryNotes
from ddnn.run.launcher.start import Watcher

SLOW = parse_failure({"at": {"seconds": 0}, "kind": "slow", "node": "cam0"})


def raiser(error: Exception):
    def do(*_: object) -> None:
        raise error

    return do


@pytest.mark.parametrize("error", [OSError("full"), ValueError("closed"), RuntimeError("thread")])
def test_a_display_that_cannot_be_written_to_costs_nothing_else(error):
    history = History(Watcher(progress=raiser(error), say=raiser(error)))
    history.say("cam0 stopped")
    history.progress(7)
    history.add({"node": "cam0", "kind": "stopped", "sample": 3})
    assert history.entries() == [{"node": "cam0", "kind": "stopped", "sample": 3}]
    assert history.notes == [{"what": "display", "said": str(error), "times": 3}]


def test_what_the_machinery_raises_is_said_once_and_counted():
    said: list[str] = []
    history = History(Watcher(say=said.append))
    for _ in range(3):
        history.spare("control socket", raiser(OSError("too many open files")))
    assert said == ["control socket: too many open files; the run goes on"]
    assert [note["times"] for note in history.notes] == [3]


def test_what_is_kept_has_a_bound():
    history = History(Watcher())
    for sample in range(MAX_ENTRIES + 50):
        history.add({"node": "cam0", "kind": "stopped", "sample": sample})
        history.spare(f"thing {sample}", raiser(OSError("no")))
    kept = [entry["sample"] for entry in history.entries()]
    assert (len(kept), history.left_out) == (MAX_ENTRIES, 50)
    assert (kept[0], kept[-1]) == (0, MAX_ENTRIES + 49)
    assert len(history.notes) == MAX_NOTES


def test_an_order_that_was_not_taken_is_reported_as_such_until_it_is():
    history, order = History(Watcher()), Order(SLOW)
    history.add({"node": "cam0", "kind": "slow", "applied": True, "sample": 1}, order)
    (entry,) = history.entries()
    assert (entry["applied"], entry["reason"]) == (False, "took no order")
    order.confirm()
    (entry,) = history.entries()
    assert (entry["applied"], "reason" in entry) == (True, False)


class Same:
    """All nodes use as much."""

    def resident_mb(self, node: str) -> float:
        return 40.0


def test_memory_is_noted_however_long_it_takes_and_never_more_than_fits():
    notes, nodes = MemoryNotes(), tuple(star_topology(2).nodes)
    for second in range(20 * MAX_LOOKS):
        notes.look(float(second), nodes, Same())
    times = sorted({row[0] for row in notes.rows})
    assert len(times) <= MAX_LOOKS
    assert len(notes.rows) == len(times) * len(nodes)
    assert (times[0], times[-1] > 19 * MAX_LOOKS) == (0, True)
    gaps = [b - a for a, b in pairwise(times)]
    assert max(gaps) <= 2 * min(gaps)
