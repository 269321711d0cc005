"""When nodes that ended are started again, on a clock of numbers."""

import pytest

from ddnn.run.failures.restarts import FIRST_S, LONGEST_S, WELL_S, Restarts

STEP_S = 0.01


def starts(restarts: Restarts, *, until_s: float, begun_s: float = 0.0) -> list[float]:
    """When a node that ends at once each time is started."""
    steps = (begun_s + n * STEP_S for n in range(round((until_s - begun_s) / STEP_S)))
    found = []
    for now_s in steps:
        if restarts.is_due("cam0", now_s, has_ended=True):
            restarts.count("cam0")
            found.append(now_s)
    return found


def test_each_start_comes_after_twice_as_long_up_to_ten_seconds():
    times = starts(Restarts({"cam0": "always"}), until_s=60)
    waits = [b - a for a, b in zip([0.0, *times], times, strict=False)]
    wanted = [min(FIRST_S * 2**n, LONGEST_S) for n in range(len(waits))]
    assert waits == pytest.approx(wanted, abs=2 * STEP_S)
    assert waits[-1] == pytest.approx(LONGEST_S, abs=2 * STEP_S)


def test_a_node_that_has_run_well_begins_anew():
    restarts = Restarts({"cam0": "always"})
    last_s = starts(restarts, until_s=30)[-1]
    ended_s = last_s + WELL_S + 1
    assert not restarts.is_due("cam0", ended_s - 1, has_ended=False)
    (first_s, *_) = starts(restarts, begun_s=ended_s, until_s=ended_s + 5)
    assert first_s - ended_s == pytest.approx(FIRST_S, abs=2 * STEP_S)


@pytest.mark.parametrize(("policy", "count"), [("never", 0), (0, 0), (3, 3)])
def test_no_node_is_started_more_often_than_its_policy_says(policy, count):
    restarts = Restarts({"cam0": policy})
    assert len(starts(restarts, until_s=100)) == count
    assert not restarts.is_left("cam0")
    assert restarts.due_s() is None


def test_a_start_that_the_system_refused_is_not_counted_and_tried_later():
    restarts = Restarts({"cam0": 1})
    due = [now_s for now_s in range(40) if restarts.is_due("cam0", now_s, has_ended=True)]
    assert len(due) > 3
    assert restarts.is_left("cam0")


def test_a_node_that_came_back_by_itself_is_not_started():
    restarts = Restarts({"cam0": "always"})
    assert not restarts.is_due("cam0", 0.0, has_ended=True)
    assert restarts.due_s() == FIRST_S
    assert not restarts.is_due("cam0", 1.0, has_ended=False)
    assert restarts.due_s() is None
