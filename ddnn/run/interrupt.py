"""Whoever ends ddnn by a signal, Ctrl-C or another, leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ddnn.errors import InterruptError

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(said: str) -> Iterator[None]:
    """In the block, SIGTERM and SIGHUP do what Ctrl-C does: all that it opened is closed.

    A signal that is ignored (nohup) stays so. Call it in the main thread.
    Raises InterruptError, with what is said.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)  # closing is not interrupted
        raise KeyboardInterrupt

    handlers = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptError(said, 128 + received[0] if received else 1) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
