"""Engine `ray`: tasks of Ray Core, on this machine or on a cluster that is joined."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Self

from ddnn.errors import ConfigError
from ddnn.run.interrupt import kept
from ddnn.study.engine import Ended, extra
from ddnn.study.job import Answer, Job
from ddnn.study.worker import perform

RETRIES = 3
"""Of a job whose process or machine is lost."""
CONNECT_S = 10.0
WINDOW = 2000
"""Jobs handed to Ray at a time."""


class RayEngine:
    """A Ray of its own on this machine's cores, or one that is there already."""

    def __init__(self, address: str | None = None) -> None:
        """address: HOST:PORT of the cluster's head, or `auto`.

        Raises ConfigError where Ray is not installed or nobody answers at the address.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody
        os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))  # without an end by default
        self._ray: Any = extra("ray", name="ray")
        if address not in (None, "auto"):
            _check_there(address)
        own = {"include_dashboard": False} if address is None else {}
        try:
            with kept():  # else SIGTERM prints a stack and ends it all at once
                self._ray.init(
                    address=address, log_to_driver=False, logging_level=logging.ERROR, **own
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(f"--engine ray:{address}: cannot be joined, {said}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def run(self, jobs: Sequence[Job], *, together: int = 1) -> Iterator[Ended]:
        """See Engine."""
        task = self._ray.remote(num_cpus=1, max_retries=RETRIES)(perform)
        todo = iter(jobs)
        begun: dict[Any, Job] = {}
        try:
            while True:
                begun |= {
                    task.remote(job.to_text()): job for job in islice(todo, WINDOW - len(begun))
                }
                if not begun:
                    return
                ended, _ = self._ray.wait(list(begun), num_returns=1)
                for reference in ended:
                    yield Ended(begun.pop(reference), self._answer(reference))
        finally:
            for reference in begun:
                self._ray.cancel(reference, force=True)

    def _answer(self, reference: Any) -> Answer:
        try:
            return Answer.model_validate_json(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:  # what `perform` itself could not tell
            lines = str(error).splitlines() or [type(error).__name__]
            return Answer(error=f"{type(error).__name__}: {lines[0]}", details=str(error))


def _check_there(address: str) -> None:
    """Ray itself would wait for minutes. Raises ConfigError where nobody listens."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()):
        raise ConfigError(f"--engine ray:{address}: want ray:HOST:PORT of the head, or ray:auto")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--engine ray:{address}: cannot be joined, {error}") from error
