"""What others ask of a live system's loop."""

import select
import threading

import pytest

from ddnn.errors import ConfigError
from ddnn.live.orders import Orders


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
    with pytest.raises(ConfigError, match="does not turn"):
        orders.do(list, 0.0)
    orders.close()


def test_orders_are_done_in_their_order():
    orders, done = Orders(), []
    for number in range(3):
        orders.put(lambda number=number: done.append(number))
    orders.take(do)
    assert done == [0, 1, 2]
    orders.close()
