"""Results by content hash: a job that is there is done, on whatever engine it ran.

FOLDER/jobs/KEY.json      the job and its result
FOLDER/failed/KEY.txt     why a job failed, until it succeeds
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ddnn.errors import DdnnError
from ddnn.report.files import write_bytes, write_json
from ddnn.study.engine import Ended, Engine
from ddnn.study.job import DIGITS, Answer, Job
from ddnn.topology import Model
from ddnn.yamlfile import read_json

JOBS, FAILED = "jobs", "failed"


class JobsFailedError(DdnnError):
    """Some jobs of a study failed; the others are done."""


class Record(Model):
    """The content of a job's file."""

    function: str
    inputs: dict[str, Any]
    code: str
    label: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a study is. last: the job that has just ended; None at the beginning."""

    jobs: int
    done: int
    taken: int
    failed: int
    last: Ended | None = None


Show = Callable[[Course], None]


class JobsFolder:
    """The jobs of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, job: Job) -> Path:
        """Of its result."""
        return self.folder / JOBS / f"{job.key}.json"

    def answer(self, job: Job) -> Answer | None:
        """Of the job; None: it is not there, or damaged, and to be run."""
        try:
            record = read_json(self.path(job), Record)
        except (OSError, DdnnError):
            return None
        same = (record.function, record.code) == (job.function, job.code)
        return record.answer if same and record.answer.error is None else None

    def keep(self, ended: Ended) -> None:
        """Writes its result, or why there is none."""
        job, answer = ended
        why = self.folder / FAILED / f"{job.key}.txt"
        if answer.error is None:
            document = asdict(job) | {"answer": answer.model_dump(mode="json")}
            document.pop("places")
            write_json(self.path(job), document)
            why.unlink(missing_ok=True)
        else:
            text = f"{job.label}\n{answer.error}\n{answer.host}\n{answer.details}"
            write_bytes(why, text.encode(errors="backslashreplace"))

    def run(
        self,
        jobs: Sequence[Job],
        engine: Engine,
        show: Show = lambda _: None,
        *,
        together: int = 1,
    ) -> Iterator[Ended]:
        """Each job that succeeds, those that are there first; each is kept as it ends.

        Raises JobsFailedError at the end, where some failed, with what and why; the rest is kept.
        """
        there = [(job, self.answer(job)) for job in jobs]
        todo = [job for job, answer in there if answer is None]
        yield from (Ended(job, answer) for job, answer in there if answer is not None)
        taken = len(jobs) - len(todo)
        show(Course(jobs=len(jobs), done=taken, taken=taken, failed=0))
        failed: list[Ended] = []
        for number, ended in enumerate(engine.run(todo, together=together), start=1):
            self.keep(ended)
            if ended.answer.error is not None:
                failed.append(ended)
            done = taken + number - len(failed)
            show(Course(jobs=len(jobs), done=done, taken=taken, failed=len(failed), last=ended))
            if ended.answer.error is None:
                yield ended
        if failed:
            raise JobsFailedError(self._failure(jobs, failed))

    def _failure(self, jobs: Sequence[Job], failed: Sequence[Ended]) -> str:
        job, answer = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return (
            f"{len(failed)} of {len(jobs)} jobs failed: {job.label}: {answer.error}{more}; see "
            f"{self.folder / FAILED}; the same command tries them again"
        )


def shown(job: Job) -> str:
    """A job for a person: what it is and the beginning of its key."""
    return f"{job.label} {job.key[:DIGITS]}"
