"""What others ask of a live system's loop."""

import os
import select
import threading

import pytest

from ddnn.errors import ConfigError
from ddnn.live.orders import Orders
from ddnn.live.sources.camera import Wake


def do(_what: str, act) -> None:
    act()


def asked(orders: Orders, what) -> list[object]:
    """By another thread; the loop takes it as soon as it is woken."""
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(orders.do(what, 60))
        except ConfigError as error:
            found.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    select.select([orders.wake.descriptor], [], [], 60)
    orders.take(do)
    asking.join(60)
    return found


def test_whoever_asks_gets_what_the_loop_found():
    orders = Orders()
    here = threading.get_ident()
    assert asked(orders, threading.get_ident) == [here]
    orders.close()


def test_what_goes_wrong_is_told_to_whoever_asked_and_ends_no_loop():
    orders = Orders()
    error = ConfigError("no such sample")

    def refuse() -> None:
        raise error

    assert asked(orders, refuse) == [error]
    orders.close()


def test_a_loop_that_does_not_turn_is_told():
    orders = Orders()
    done: list[int] = []
    with pytest.raises(ConfigError, match="does not turn"):
        orders.do(lambda: done.append(1), 0.0)
    orders.take(do)
    assert done == []  # whoever asked was told that it is not
    orders.close()


def test_what_takes_longer_than_anybody_waits_may_still_be_done():
    orders, begun, may_end = Orders(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        may_end.wait(60)

    turning, wake = threading.Thread(target=orders.take, args=(do,)), orders.wake

    def turn() -> None:
        turning.start()
        begun.wait(60)

    orders.wake = turn
    with pytest.raises(ConfigError, match=r"not done within 0 s, it may still be done"):
        orders.do(slow, 0.0)
    may_end.set()
    turning.join(60)
    wake.close()


def test_orders_are_done_in_their_order():
    orders, done = Orders(), []
    for number in range(3):
        orders.put(lambda number=number: done.append(number))
    orders.take(do)
    assert done == [0, 1, 2]
    orders.close()


def test_a_wake_that_is_closed_again_closes_nothing_of_others():
    wake = Wake()
    wake.close()
    reading, writing = os.pipe()  # the numbers that are free now
    wake.close()
    wake()
    os.write(writing, b"here")
    assert os.read(reading, 10) == b"here"
    os.close(reading)
    os.close(writing)
