"""Engine `slurm`: arrays of tasks by submitit; needs a folder that all machines see.

A cluster without accounting cannot tell what became of a task, so the queue is asked: what is in
it no more and has left no answer is lost. A queue that does not answer says nothing of any task.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ddnn.errors import ConfigError
from ddnn.study.engine import Ended, extra
from ddnn.study.job import Answer, Job
from ddnn.study.worker import perform_all

ARRAY = 500
"""Tasks at most; with more jobs a task takes several. Slurm's own limit is 1,001 by default."""
MINUTES = 24 * 60
"""Of a task, at most."""
POLL_S = 0.5
"""Between two looks for answers in the folder."""
QUEUE_S, QUEUE_SHARE = 10.0, 0.1
"""Between two looks into the queue: so long, or so much of the time since the tasks were submitted
where that is less."""
ATTEMPTS = 2
"""Of the jobs of a task that is lost."""
SURE = 3
"""Looks in a row at which a task must be gone: its answer may be seen later than its end."""


class SlurmEngine:
    """One array of tasks a call of `run`."""

    def __init__(self, folder: Path, *, partition: str | None = None) -> None:
        """folder: for submitit's scripts, answers and logs.

        Raises ConfigError where submitit or Slurm's commands are not installed.
        """
        submitit: Any = extra("submitit", name="slurm")
        if shutil.which("sbatch") is None:
            raise ConfigError("--engine slurm: no command sbatch here, want a machine of a cluster")
        self._executor = submitit.SlurmExecutor(folder=str(folder.absolute()), max_num_timeout=0)
        asked = {"partition": partition} if partition else {}
        self._executor.update_parameters(
            job_name="ddnn", cpus_per_task=1, ntasks_per_node=1, time=MINUTES,
            use_srun=False, array_parallelism=ARRAY, **asked,
        )  # fmt: skip
        self._tasks: dict[Any, list[Job]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel(check=False)

    def run(self, jobs: Sequence[Job], *, together: int = 1) -> Iterator[Ended]:
        """See Engine."""
        left = list(jobs)
        for attempt in range(1, ATTEMPTS + 1):
            lost = []
            for task, group in self._ended(left, together):
                answers = _answers(task)
                if answers is not None:
                    yield from map(Ended, group, answers)
                    continue
                task.cancel(check=False)  # should it run after all, somewhere out of sight
                if attempt < ATTEMPTS:
                    lost += group
                else:
                    why = f"its task {task.job_id} was lost, {attempt} times: {_last_line(task)}"
                    yield from (Ended(job, Answer(error=why)) for job in group)
            left = lost

    def _ended(self, jobs: Sequence[Job], together: int) -> Iterator[tuple[Any, list[Job]]]:
        """Submits them and gives tasks as they end, with their jobs."""
        if not jobs:
            return
        size = max(together, -(-len(jobs) // ARRAY))
        groups = [list(jobs[at : at + size]) for at in range(0, len(jobs), size)]
        texts = [[job.to_text() for job in group] for group in groups]
        try:
            tasks = self._executor.map_array(perform_all, texts)
        except Exception as error:  # submitit has several, and lets sbatch's through
            line = str(error).strip().splitlines()[-1]
            raise ConfigError(f"--engine slurm: cannot be submitted, {line}") from error
        self._tasks = dict(zip(tasks, groups, strict=True))
        missed = dict.fromkeys(tasks, 0)
        submitted_s = looked_s = time.monotonic()
        while self._tasks:
            now_s, queued = time.monotonic(), None
            if now_s - looked_s >= min(QUEUE_S, QUEUE_SHARE * (now_s - submitted_s)):
                looked_s, queued = now_s, _queued(tasks[0].job_id.partition("_")[0])
            for task in list(self._tasks):
                if queued is not None:
                    missed[task] = 0 if task.job_id in queued else missed[task] + 1
                if task.paths.result_pickle.exists() or missed[task] >= SURE:
                    yield task, self._tasks.pop(task)
            threading.Event().wait(POLL_S)


def _queued(array: str) -> set[str] | None:
    """The tasks of an array that wait or run: `7_0`, `7_1`; None: the queue does not answer."""
    done = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={array}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode and "Invalid job id" not in done.stderr:  # which all have ended long ago
        return None
    return set(done.stdout.split())


def _answers(task: Any) -> list[Answer] | None:
    """None: it ended without any."""
    if not task.paths.result_pickle.exists():
        return None
    return [Answer.model_validate_json(text) for text in task.result()]


def _last_line(task: Any) -> str:
    """Slurm's own, if it said one: who is told to end by it says so too, and later."""
    lines = (task.stderr() or "").strip().splitlines()
    own = [line for line in lines if line.startswith("slurmstepd")]
    return (own or lines or ["no word in its log"])[-1]
