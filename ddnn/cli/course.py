"""How far a study is, on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ddnn.study.jobs_folder import Course

LINE_S = 1.0
"""Between two lines."""
INTERRUPTED = "interrupted; jobs that are done are kept, the same command goes on with the rest"


class CourseDisplay:
    """Shows each job as it ends; one that fails gets a line with its reason at once."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._told_s = -LINE_S
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("jobs"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[text]}"),
                console=self._console,
            )
            self._task = self._bar.add_task("", text="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, course: Course) -> None:
        """Called at the beginning and after each job."""
        ended = course.done + course.failed
        if course.last is None:
            self._console.print(_begin_line(course), soft_wrap=True)
        elif course.last.answer.error is not None:
            job, answer = course.last
            self._console.print(f"failed: {job.label}: {answer.error}", soft_wrap=True)
        elif self._bar is None and self._is_time(ended == course.jobs):
            job, answer = course.last
            line = (
                f"job {ended}/{course.jobs}  {job.label}  {answer.seconds:.2f} s on {answer.host}"
            )
            self._console.print(line, soft_wrap=True)
        if self._bar is not None:
            text = f"{course.failed} failed" if course.failed else ""
            self._bar.update(self._task, completed=ended, total=course.jobs, text=text)

    def _is_time(self, is_last: bool) -> bool:
        """For a line: not for each of many jobs a second."""
        now_s = time.monotonic()
        if not is_last and now_s - self._told_s < LINE_S:
            return False
        self._told_s = now_s
        return True


def _begin_line(course: Course) -> str:
    there = f", {course.taken} of them done before" if course.taken else ""
    return f"{course.jobs} jobs{there}"
