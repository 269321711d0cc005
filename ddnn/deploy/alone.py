"""One command changes a deployment at a time, and one that is interrupted undoes what it began."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Awaitable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ddnn.errors import ConfigError, DeployError, InterruptError
from ddnn.run.interrupt import SIGNALS

INTERRUPTED = "interrupted"

T = TypeVar("T")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else on this machine changes the deployment of this folder, which is made, meanwhile.

    Raises ConfigError where somebody just does.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{folder}: another `ddnn deploy` changes it just now, want its end first"
            ) from None
        yield
    finally:
        os.close(descriptor)


def run_interruptible(doing: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, but Ctrl-C, SIGTERM and SIGHUP cancel it, which it may take as long as it
    needs to follow; another signal cuts that short. Call it in the main thread.

    Raises InterruptError where it does not come to its end.
    """
    received: list[int] = []

    async def go() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupt(number: int) -> None:
            received.append(number)
            if task is not None:
                task.cancel()

        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, interrupt, number)
        return await doing

    try:
        return asyncio.run(go())
    except asyncio.CancelledError:
        said = f"{INTERRUPTED}; nothing is changed"
        if len(received) > 1:
            said = f"{INTERRUPTED} twice: some hosts may be changed; want the same command again"
    except DeployError as error:
        if not received:
            raise
        said = str(error)
    raise InterruptError(said, 1 if received[0] == signal.SIGINT else 128 + received[0])


async def to_its_end(doing: Awaitable[list[T]]) -> list[T | DeployError]:
    """What it gives, also where it is interrupted meanwhile, which is an error more: what a host
    does goes on there whoever goes away."""
    going = asyncio.ensure_future(doing)
    try:
        return [*await asyncio.shield(going)]
    except asyncio.CancelledError:
        return [*await going, DeployError(INTERRUPTED)]
