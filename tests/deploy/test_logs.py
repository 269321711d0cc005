"""What was said up to now, and each line from then on, once."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ddnn.deploy.logs import Line, _Host, _parsed, _Together, follow_local, newer
from ddnn.deploy.tail import tail, tell_lines
from ddnn.run.launcher.control import ControlServer


def said(at: int, message: str) -> str:
    return json.dumps({"time": str(at), "message": message})


@pytest.mark.parametrize(
    ("text", "at"),
    [('{"time": "2", "message": "m"}', "2"), ("m", "1"), ('{"time": "2"}', "1"), ("[]", "1")],
)
def test_what_is_no_json_was_said_when_the_line_before_was(text, at):
    assert next(_parsed([text], "far", "1")).at == at


@pytest.mark.parametrize(
    ("last", "now", "new"),
    [([], [1, 2], [1, 2]), ([2], [1, 2, 3], [3]), ([2], [1, 2], []), ([2], [2, 2, 3], [3]),
     ([1], [2, 3], [2, 3]), ([1], [], [])],
)  # fmt: skip
def test_only_what_came_after_the_last_line_is_new(last, now, new):
    assert newer(last, now) == new


def test_the_first_lines_of_all_hosts_come_by_time_and_then_each_at_once():
    told: list[Line] = []
    together = _Together(2, told.append)
    north, cloud = _Host("north", together), _Host("cloud", together)
    north.take([said(1, "a"), said(3, "c")])
    assert told == []
    cloud.take([said(2, "b")])
    assert [line.message for line in told] == ["a", "b", "c"]
    cloud.take([said(5, "e")])
    north.take([said(4, "d")])
    assert [line.message for line in told[3:]] == ["e", "d"]


def test_a_host_that_was_away_tells_what_it_said_meanwhile_and_nothing_twice():
    told: list[Line] = []
    host = _Host("far", _Together(1, told.append))
    host.take([said(1, "a"), said(2, "b")])
    host.went_away("no answer")
    host.went_away("no answer")
    host.take([said(1, "a"), said(2, "b"), said(3, "c")])
    host.take([said(3, "c")])  # said again
    messages = ["a", "b", "is away: no answer", "is back", "c", "c"]
    assert [line.message for line in told] == messages


def test_a_host_that_never_answers_holds_nobody_up():
    told: list[Line] = []
    together = _Together(2, told.append)
    _Host("north", together).take([said(1, "a")])
    together.begin()
    assert [line.message for line in told] == ["a"]


def test_a_log_is_followed_line_by_line_over_files_that_are_begun_anew(tmp_path: Path):
    log, before = tmp_path / "log", tmp_path / "log.1"
    before.write_text("a\nb\n")
    lines = tail(log, before, 2)
    assert next(lines) == ["a", "b"]
    assert next(lines) == []
    log.write_text("c\nhalf")
    assert next(lines) == []  # opens it
    assert next(lines) == ["c"]
    with log.open("a") as file:
        file.write(" d\ne\n")
    assert next(lines) == ["half d", "e"]
    with log.open("a") as file:
        file.write("f")
    log.replace(before)
    log.write_text("g\n")
    assert next(lines) == ["f"]
    assert next(lines) == ["g"]
    lines.close()


def test_the_newest_lines_alone_come_first(tmp_path: Path):
    (tmp_path / "log").write_text("a\nb\nc\n")
    lines = tail(tmp_path / "log", tmp_path / "log.1", 2)
    assert next(lines) == ["b", "c"]
    lines.close()


@pytest.mark.parametrize("how", ["leaves", "is silent"])
def test_nothing_is_told_to_nobody(how, tmp_path):
    """A follower on a host ends with whoever listens, also where a link just goes silent."""
    (tmp_path / "log").write_text("a\n")
    read, write = os.pipe()
    out = io.StringIO()
    with open(read, "rb") as listener, open(write, "wb") as link:
        if how == "leaves":
            link.close()
        lines = tail(tmp_path / "log", tmp_path / "none", 10)
        tell_lines(lines, listener, out, quiet_s=60 if how == "leaves" else 0)
    assert json.loads(out.getvalue()) == {"lines": ["a"]}
    assert list(lines) == []  # is closed


def test_what_a_launch_says_in_its_last_moment_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    said, told = [("1", "begins")], list[str]()
    server = ControlServer(
        lambda _failure: None,
        told.append,
        lambda: {"pid": os.getpid(), "host": "site", "said": said},
    )
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow_local, 10, lambda line: told.append(line.message))
        while not told:
            server.poll()
        said.append(("2", "ends"))
        server.close()
        following.result(30)
    assert told == ["begins", "ends", "runs no more"]
