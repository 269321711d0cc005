"""Engine `local`: a process a core, each with one thread; jobs and answers are text in pipes."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Self

from ddnn.study.engine import Ended
from ddnn.study.job import Answer, Job
from ddnn.study.worker import perform

ATTEMPTS = 2
"""Of a job whose process is killed, by the kernel for want of memory, say."""
LAST_MOMENT_S = 5.0
"""Between the end of a process's pipe and its own."""


class LocalEngine:
    """Processes on this machine, started with the first job and kept until the engine closes."""

    def __init__(self, workers: int | None = None) -> None:
        """workers: how many, by default one for each core that this process may use."""
        self._count = workers or len(os.sched_getaffinity(0))
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()

    def run(self, jobs: Sequence[Job], *, together: int = 1) -> Iterator[Ended]:
        """See Engine."""
        waiting = deque((job, 1) for job in jobs)
        while len(self._workers) < min(self._count, len(jobs)):
            self._workers.append(Worker())
        idle = list(self._workers)
        busy: dict[Connection, tuple[Worker, Job, int]] = {}
        while waiting or busy:
            while waiting and idle:
                worker, (job, attempt) = idle.pop(), waiting.popleft()
                worker.begin(job)
                busy[worker.pipe] = (worker, job, attempt)
            for pipe in connection.wait(list(busy)):
                assert isinstance(pipe, Connection)
                worker, job, attempt = busy.pop(pipe)
                answer = worker.answer()
                if answer is None:
                    self._workers.remove(worker)
                    why = worker.ended()
                    self._workers.append(worker := Worker())
                    if attempt < ATTEMPTS:
                        waiting.append((job, attempt + 1))
                    else:
                        answer = Answer(error=f"its process ended {why}, {attempt} times")
                idle.append(worker)
                if answer is not None:
                    yield Ended(job, answer)


class Worker:
    """One process and this end of its pipe."""

    def __init__(self) -> None:
        context = get_context("spawn")  # a fork would take over locks and threads of torch
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, job: Job) -> None:
        """A process that has ended meanwhile is found by `answer`."""
        with suppress(BrokenPipeError):
            self.pipe.send_bytes(job.to_text().encode())

    def answer(self) -> Answer | None:
        """Of the job begun; None: the process has ended instead."""
        try:
            return Answer.model_validate_json(self.pipe.recv_bytes())
        except (EOFError, ConnectionResetError):
            return None

    def ended(self) -> str:
        """How the process, whose end of the pipe is closed, has ended."""
        self._process.join(timeout=LAST_MOMENT_S)
        code = self._process.exitcode
        self.kill()
        if code is not None and code < 0:
            return f"by {signal.Signals(-code).name}"
        return f"with exit code {code}"

    def kill(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def serve(pipe: Connection) -> None:
    """Called in the worker: jobs until the pipe ends. Ctrl-C is the parent's to follow."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            text = pipe.recv_bytes().decode()
        except EOFError:
            return
        pipe.send_bytes(perform(text).encode())


def _end_with_parent() -> None:
    """A training of hours does not outlive whoever wants it."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
