"""Whoever ends ddnn by a signal, Ctrl-C or another, leaves nothing behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from ddnn.errors import InterruptError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.01
"""After an interrupt that was lost, the next attempt."""


@contextmanager
def told(stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """In the block, Ctrl-C and SIGTERM call `stop`, SIGHUP calls `reload`; both must be fit for a
    signal's handler. A second Ctrl-C or SIGTERM does what it does elsewhere. A SIGHUP that is
    ignored (nohup) stays so.
    """
    before = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN}

    def end(_number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            if each in before:
                signal.signal(each, before[each])
        stop()

    def again(_number: int, _frame: FrameType | None) -> None:
        reload()

    for number in before:
        signal.signal(number, again if number == signal.SIGHUP else end)
    try:
        yield
    finally:
        _put_back(before)


@contextmanager
def kept() -> Iterator[None]:
    """After the block the signals do what they did before it, whoever takes them in it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if current_thread() is main_thread():
            _put_back(before)


def _put_back(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextmanager
def interruptible(said: str) -> Iterator[None]:
    """In the block, SIGTERM and SIGHUP do what Ctrl-C does: all that it opened is closed, which
    no further signal interrupts.

    A signal that is ignored (nohup) stays so. Call it in the main thread.
    Raises InterruptError, with what is said.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def raise_again(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def not_raised(what: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in a destructor or a callback from C: so it may be ours."""
        if what.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            before(what)

    handlers = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, interrupt)
    alarm, before = signal.signal(signal.SIGALRM, raise_again), sys.unraisablehook
    sys.unraisablehook = not_raised
    try:
        yield
    except KeyboardInterrupt:
        by_terminal = not received or received[0] == signal.SIGINT
        raise InterruptError(said, 1 if by_terminal else 128 + received[0]) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = before
        _put_back({**handlers, signal.SIGALRM: alarm})
