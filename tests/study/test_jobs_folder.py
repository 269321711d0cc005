from collections.abc import Iterator, Sequence

import pytest
from toy_jobs import job

from ddnn.errors import DdnnError
from ddnn.study.engine import Ended
from ddnn.study.job import Answer, Job
from ddnn.study.jobs_folder import Course, JobsFolder
from ddnn.study.worker import perform


class Here:
    """An engine in this process, which remembers what it ran."""

    def __init__(self) -> None:
        self.ran: list[Job] = []

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, jobs: Sequence[Job], *, together: int = 1) -> Iterator[Ended]:
        for each in jobs:
            self.ran.append(each)
            yield Ended(each, Answer.model_validate_json(perform(each.to_text())))


def results(folder: JobsFolder, jobs: Sequence[Job], engine: Here) -> list[int]:
    return [answer.result for _, answer in folder.run(jobs, engine)]


def test_a_job_that_is_there_is_done(tmp_path):
    folder, engine = JobsFolder(tmp_path), Here()
    jobs = [job("square", n=n) for n in range(4)]
    assert results(folder, jobs[:2], engine) == [0, 1]
    assert results(folder, jobs, engine) == [0, 1, 4, 9]
    assert engine.ran == jobs


def test_a_damaged_result_is_found_again(tmp_path):
    folder, engine = JobsFolder(tmp_path), Here()
    one = job("square", n=3)
    assert results(folder, [one], engine) == [9]
    path = folder.path(one)
    path.write_bytes(path.read_bytes()[:-20])
    assert results(folder, [one], engine) == [9]
    assert engine.ran == [one, one]


def test_what_is_done_is_kept_before_the_next_ends(tmp_path):
    folder = JobsFolder(tmp_path)
    jobs = [job("square", n=n) for n in range(3)]
    ended = folder.run(jobs, Here())
    next(ended)
    next(ended)
    assert [folder.path(each).exists() for each in jobs] == [True, True, False]


def test_a_failure_is_told_at_the_end_with_its_reason_and_tried_again(tmp_path):
    folder, engine, courses = JobsFolder(tmp_path), Here(), list[Course]()
    jobs = [job("refuse"), job("square", n=2), job("stumble")]
    found = []
    with pytest.raises(DdnnError) as error:
        found += folder.run(jobs, engine, courses.append)
    assert str(error.value) == (
        "2 of 3 jobs failed: refuse {}: the card is empty (and 1 more); see "
        f"{tmp_path / 'failed'}; the same command tries them again"
    )
    assert [(c.done, c.failed) for c in courses] == [(0, 0), (0, 1), (1, 1), (1, 2)]
    why = {path.read_text().splitlines()[1] for path in (tmp_path / "failed").iterdir()}
    assert why == {"the card is empty", "ValueError: no such luck"}
    with pytest.raises(DdnnError):
        list(folder.run(jobs, engine))
    assert [each.label for each in engine.ran[3:]] == ["refuse {}", "stumble {}"]


def test_a_job_that_succeeds_at_last_has_failed_no_more(tmp_path):
    folder, one = JobsFolder(tmp_path), job("square", n=2)
    folder.keep(Ended(one, Answer(error="its process ended by SIGKILL")))
    assert len(list((tmp_path / "failed").iterdir())) == 1
    assert folder.answer(one) is None
    assert results(folder, [one], Here()) == [4]
    assert list((tmp_path / "failed").iterdir()) == []


def test_a_result_of_other_code_is_none(tmp_path):
    folder, engine, one = JobsFolder(tmp_path), Here(), job("square", n=3)
    assert results(folder, [one], engine) == [9]
    path = folder.path(one)
    path.write_text(path.read_text().replace(one.code, "ddnn 0"))
    assert results(folder, [one], engine) == [9]
    assert engine.ran == [one, one]
