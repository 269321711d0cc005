"""What one sender may make a node do."""

import pytest

from ddnn.wire.budget import BURST_ROWS, ROWS_PER_S, Bucket, Budget, cost_rows
from ddnn.wire.messages import MAX_ROWS

NAMES = 8


def message(rows: int, sender: int = 1, size: int = 100) -> bytes:
    return bytes([2, 4, rows, 0, sender % 256, sender // 256]).ljust(size, b"\0")


def admitted(budget: Budget, now_s: float, *, messages: int = 1000, sender: int = 1) -> int:
    """How many rows of as many full messages get through at once."""
    return MAX_ROWS * sum(
        budget.admits(message(MAX_ROWS, sender), None, now_s) for _ in range(messages)
    )


def test_a_burst_and_then_so_many_a_second_get_through():
    budget = Budget(NAMES)
    assert admitted(budget, 0.0) == BURST_ROWS
    assert admitted(budget, 0.0) == 0
    assert admitted(budget, 0.1) == ROWS_PER_S // 10 // MAX_ROWS * MAX_ROWS
    assert admitted(budget, 100.0) == BURST_ROWS


def test_the_fastest_run_never_meets_its_budget():
    """12,000 samples a second, each in two messages of its own, after a silence of a second."""
    budget = Budget(NAMES)
    for tick in range(3000):
        for _ in range(12 * 2 if tick else 12_000 // 2):
            assert budget.admits(message(1), None, tick / 1000)


def test_one_sender_costs_no_other_anything():
    budget = Budget(NAMES)
    admitted(budget, 0.0, sender=1)
    assert admitted(budget, 0.0, sender=2) == BURST_ROWS


def test_senders_that_do_not_exist_share_one_budget():
    budget = Budget(NAMES)
    assert admitted(budget, 0.0, sender=NAMES) == BURST_ROWS
    assert admitted(budget, 0.0, sender=60_000) == 0


def test_with_keys_the_sender_is_who_owns_the_key():
    budget = Budget(NAMES)
    assert all(budget.admits(message(MAX_ROWS, n % NAMES), "cam0", 0.0) for n in range(128))
    assert not budget.admits(message(MAX_ROWS, 5), "cam0", 0.0)
    assert budget.admits(message(MAX_ROWS, 5), "cam1", 0.0)


def test_a_clock_that_goes_back_fills_no_bucket():
    budget = Budget(NAMES)
    admitted(budget, 10.0)
    assert admitted(budget, 5.0) == 0


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"", 1),
        (message(0, size=17), 1),
        (message(64), 64),
        (message(255), 64),
        (message(0, size=3200), 100),
        (message(1, size=40_960), 11),
    ],
    ids=["nothing", "heartbeat", "full", "too many rows", "account", "large"],
)
def test_a_message_costs_its_rows_its_records_and_its_length(data, rows):
    assert cost_rows(data) == rows


def test_a_limit_of_all_senders_together_refuses_what_each_of_them_may_send():
    budget = Budget(NAMES, Bucket(MAX_ROWS / 2, 3.0 * MAX_ROWS))
    assert sum(admitted(budget, 0.0, sender=sender) for sender in range(4)) == 3 * MAX_ROWS
    assert admitted(budget, 1.0) == 0
    assert admitted(budget, 2.0) == MAX_ROWS


def test_what_the_limit_of_all_refuses_costs_its_sender_nothing():
    budget = Budget(NAMES, Bucket(1.0, float(MAX_ROWS)))
    full = message(MAX_ROWS)
    admitted_at = [budget.admits(full, None, float(MAX_ROWS * turn)) for turn in range(400)]
    assert all(admitted_at)
    for _ in range(2 * BURST_ROWS // MAX_ROWS):
        assert not budget.admits(full, None, float(MAX_ROWS * 399))
    assert budget.admits(full, None, float(MAX_ROWS * 400))


def test_what_all_together_may_not_have_costs_its_sender_nothing():
    budget = Budget(NAMES, Bucket(1e6, 10))
    taken = sum(budget.admits(message(1), None, 0.0) for _ in range(BURST_ROWS + 10))
    assert taken == 10
    assert budget.admits(message(1), None, 1e-5)  # ten more for all, no row more for one
