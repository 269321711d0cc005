"""Engine `local` with its real processes."""

import signal

import pytest
from interrupted import interrupted
from toy_jobs import job
from waiting import wait_until

from ddnn.study.engine import open_engine

pytestmark = pytest.mark.process


def test_every_job_gets_one_answer_and_fails_alone(tmp_path):
    jobs = [job("square", n=n) for n in range(20)]
    bad = [job("refuse"), job("die"), job("threads")]
    with open_engine("local:2", tmp_path) as engine:
        ended = list(engine.run(jobs[:10] + bad + jobs[10:]))
        again = list(engine.run(jobs[:1]))
    answers = {each.key: answer for each, answer in ended}
    assert len(ended) == len(answers) == 23
    assert [answers[each.key].result for each in jobs] == [n * n for n in range(20)]
    errors = [answers[each.key].error for each in bad]
    assert errors == ["the card is empty", "its process ended by SIGKILL, 2 times", None]
    assert answers[bad[2].key].result == 1
    assert len({answer.pid for answer in answers.values() if answer.pid}) >= 2
    assert again[0].answer.result == 0


def test_a_job_whose_process_is_killed_is_tried_again(tmp_path):
    places = {"mark": str(tmp_path / "mark")}
    with open_engine("local:1", tmp_path) as engine:
        ended = list(engine.run([job("die_once", places=places), job("square", n=3)]))
    assert {answer.result for _, answer in ended} == {"done", 9}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_who_wants_them(tmp_path, number):
    said, hangs = interrupted("local:1", tmp_path, number)
    if number != signal.SIGKILL:
        assert said.endswith("InterruptError: stopped")
    wait_until(lambda: not hangs.exists())
