"""Orders to a process, one that takes them and others that do not."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from waiting import wait_until

from ddnn.run.failures.failure import parse_failure
from ddnn.run.failures.orders import NO_ORDER, Order, OrderPipe

TAKES = """
import json, sys
for line in sys.stdin:
    print("done", json.loads(line)["order"], flush=True)
"""
IS_DEAF = "import sys, threading; print('warming up', flush=True); threading.Event().wait()"
LEAVES = ""
SLOW = {"slow": 2.0}


def order() -> Order:
    return Order(parse_failure({"at": {"seconds": 0}, "kind": "slow", "node": "cam0"}))


@pytest.fixture
def start() -> Iterator[Callable[[str], tuple[subprocess.Popen, OrderPipe]]]:
    started: list[tuple[subprocess.Popen, OrderPipe]] = []

    def do(code: str) -> tuple[subprocess.Popen, OrderPipe]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        started.append((process, OrderPipe(process)))
        return started[-1]

    yield do
    for process, pipe in started:
        process.kill()
        process.wait()
        pipe.close()


def test_each_order_is_confirmed_by_its_number(start):
    _, pipe = start(TAKES)
    orders = [order() for _ in range(50)]
    for each in orders:
        pipe.tell(SLOW, each)
    wait_until(lambda: pipe.look() or pipe.has_answered)
    assert all(each.is_applied for each in orders)


def test_a_node_that_takes_none_is_never_waited_for_however_many_it_gets(start):
    _, pipe = start(IS_DEAF)
    orders = [order() for _ in range(10_000)]
    for each in orders:
        pipe.tell(SLOW, each)
        pipe.look()
    assert {each.reason for each in orders} == {NO_ORDER}
    assert not pipe.has_answered


def test_a_node_that_is_gone_or_was_given_up_raises_nothing(start):
    process, pipe = start(LEAVES)
    process.wait()
    last = order()
    pipe.tell(SLOW, last)
    pipe.look()
    pipe.close()
    pipe.tell(SLOW, last)
    pipe.look()
    assert (last.reason, pipe.has_answered) == (NO_ORDER, True)
