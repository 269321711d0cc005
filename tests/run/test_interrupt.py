"""Signals end what runs, also where Python drops the exception that they raise."""

import signal
import threading
from collections.abc import Iterator

import pytest

from ddnn.errors import InterruptError
from ddnn.run.interrupt import interruptible, kept

CODES = {signal.SIGINT: 1, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def not_ignored() -> Iterator[None]:
    """A shell's background job ignores SIGINT."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in CODES}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Interrupted:
    """A signal comes while it is destroyed."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@interruptible("all is closed")
def destroy_and_go_on(number: signal.Signals) -> None:
    Interrupted(number)
    threading.Event().wait(10)


@interruptible("all is closed")
def close_slowly(number: signal.Signals, closed: threading.Event) -> None:
    try:
        signal.raise_signal(number)
    finally:
        for again in CODES:
            signal.raise_signal(again)
        closed.set()


@pytest.mark.parametrize("number", CODES)
def test_a_signal_in_a_destructor_ends_the_block(number):
    with pytest.raises(InterruptError, match=r"^all is closed$") as raised:
        destroy_and_go_on(number)
    assert raised.value.exit_code == CODES[number]
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.parametrize("number", CODES)
def test_closing_is_not_interrupted_by_another_signal(number):
    closed = threading.Event()
    with pytest.raises(InterruptError) as raised:
        close_slowly(number, closed)
    assert closed.is_set()
    assert raised.value.exit_code == CODES[number]


def test_whoever_takes_signals_in_a_block_has_them_no_longer_after_it():
    before = signal.getsignal(signal.SIGTERM)
    with kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before
