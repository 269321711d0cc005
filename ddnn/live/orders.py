"""What others ask of a live system: done by its loop, one after the other, between two turns."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ddnn.errors import ConfigError
from ddnn.live.sources.camera import Wake

ANSWER_S = 10.0
"""How long somebody outside waits for the loop."""


class Orders:
    """Any thread, or a signal's handler, may put them; the loop takes them. wake: ends its wait."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.wake = Wake()

    def put(self, what: Callable[[], None]) -> None:
        """Nobody waits for it."""
        self._waiting.put(what)
        self.wake()

    def do(self, what: Callable[[], Any], within_s: float = ANSWER_S) -> Any:
        """In the loop's thread, which it cannot end. Raises what it raises, ConfigError where the
        loop has not come to it in time, which then leaves it out, or has not come to its end."""
        answer: Future[Any] = Future()

        def act() -> None:
            if not answer.set_running_or_notify_cancel():
                return  # nobody waits for it any more
            try:
                answer.set_result(what())
            except Exception as error:  # noqa: BLE001  # whoever asked gets it
                answer.set_exception(error)

        self.put(act)
        try:
            return answer.result(within_s)
        except TimeoutError as error:
            if answer.done():
                raise  # of what was done
            if answer.cancel():
                raise ConfigError("the system does not turn just now, try again") from error
            raise ConfigError(f"not done within {within_s:g} s, it may still be done") from error

    def take(self, spare: Callable[[str, Callable[[], object]], None]) -> None:
        """Called by the loop. spare: see launcher.history."""
        while not self._waiting.empty():
            spare("orders", self._waiting.get())

    def close(self) -> None:
        """Nobody takes them any more."""
        self.wake.close()
