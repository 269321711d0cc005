"""The way into a running launch, with a launch that only notes what it is asked for."""

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from ddnn.errors import LaunchError
from ddnn.run.launcher import control
from ddnn.run.launcher.control import (
    MAX_LINE_BYTES,
    MAX_VISITORS,
    UNNAMED_S,
    ControlServer,
    about_launches,
    control_folder,
    request,
)

REQUEST = {"node": "cam0", "kind": "kill"}
REFUSED = {"error": "not a request"}


class Visit:
    """A server and one who has connected to it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.fails: Exception | None = None
        self.server = ControlServer(self._act, self.said.append)
        (path,) = control_folder().glob("*.sock")
        self.visitor = socket.socket(socket.AF_UNIX)
        self.visitor.connect(str(path))

    def _act(self, request: dict[str, Any]) -> int:
        self.asked.append(request)
        if self.fails is not None:
            raise self.fails
        return 7

    def answer(self, line: bytes) -> object:
        self.visitor.sendall(line)
        self.server.poll()
        return json.loads(self.visitor.recv(1000))

    def close(self) -> None:
        self.visitor.close()
        self.server.close()


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = Visit()
    yield found
    found.close()


def test_a_request_is_carried_out_and_answered(visit):
    assert visit.answer(json.dumps(REQUEST).encode() + b"\n") == {"sample": 7}
    assert visit.asked == [REQUEST]


@pytest.mark.parametrize(
    "line", [b"\n", b"7\n", b"{\n", b"[" * MAX_LINE_BYTES, b"\xff\n"], ids=lambda b: str(b[:3])
)
def test_what_is_no_request_is_refused_and_stops_nothing(visit, line):
    assert visit.answer(line) == REFUSED
    assert visit.asked == []


def test_a_visitor_that_leaves_at_once_stops_nothing(visit):
    visit.visitor.close()
    visit.server.poll()
    assert visit.asked == []


def test_nobody_waits_for_a_visitor_that_says_its_line_in_parts(visit):
    line = json.dumps(REQUEST).encode() + b"\n"
    for byte in (line[n : n + 1] for n in range(len(line) - 1)):
        visit.visitor.sendall(byte)
        visit.server.poll()
    assert visit.asked == []
    assert visit.answer(b"\n") == {"sample": 7}


def test_visitors_that_say_nothing_do_not_keep_others_waiting(visit):
    (path,) = control_folder().glob("*.sock")
    others = [socket.socket(socket.AF_UNIX) for _ in range(MAX_VISITORS - 2)]
    for other in others:
        other.connect(str(path))
        visit.server.poll()
    assert visit.answer(json.dumps(REQUEST).encode() + b"\n") == {"sample": 7}
    for other in others:
        other.close()


def test_so_many_visitors_are_let_in_at_once_and_no_more(visit):
    (path,) = control_folder().glob("*.sock")
    others = [socket.socket(socket.AF_UNIX) for _ in range(MAX_VISITORS + 4)]
    for other in others:
        other.connect(str(path))
        visit.server.poll()
    assert len(visit.server._visitors) == MAX_VISITORS
    for other in others:
        other.close()


def test_who_has_said_nothing_in_time_is_sent_away(visit, monkeypatch):
    monkeypatch.setattr(control, "VISITOR_S", 0.0)
    visit.visitor.setblocking(False)
    visit.server.poll()
    assert json.loads(visit.visitor.recv(1000)) == REFUSED
    assert visit.visitor.recv(1) == b""


def test_what_goes_wrong_while_acting_is_told_to_the_visitor_and_ends_nothing(visit):
    visit.fails = OSError("no more processes")
    assert visit.answer(json.dumps(REQUEST).encode() + b"\n") == {"error": "no more processes"}


def test_a_launch_is_found_by_its_process_id_whatever_else_lies_there(visit, tmp_path):
    (tmp_path / "ddnn/notes.sock").write_text("")
    (tmp_path / "ddnn/7-a.sock").write_text("no socket")
    foreign = socket.socket(socket.AF_UNIX)
    foreign.bind(str(tmp_path / "ddnn/other.sock"))
    with foreign, ThreadPoolExecutor() as pool:
        foreign.listen()
        visit.visitor.close()
        visit.server.poll()
        told = pool.submit(request, REQUEST, os.getpid())
        wait_until(lambda: visit.server.poll() or told.done())
        assert told.result() == 7
    assert (tmp_path / "ddnn/7-a.sock").read_text() == "no socket"


def test_launches_with_one_process_id_in_two_containers_each_have_a_socket(visit, tmp_path):
    second = ControlServer(lambda _asked: 8, visit.said.append)
    assert len(list(tmp_path.glob("ddnn/*.sock"))) == 2
    with pytest.raises(LaunchError, match=rf"^2 launches have process id {os.getpid()}, want one"):
        request(REQUEST)
    second.close()
    assert len(list(tmp_path.glob("ddnn/*.sock"))) == 1


def a_long_name(folder: Path) -> Path:
    return folder / ("a" * 100) / ("b" * 100)


def a_link(folder: Path) -> Path:
    (folder / "elsewhere").mkdir(mode=0o700)
    (folder / "ddnn").symlink_to(folder / "elsewhere")
    return folder


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file"


def open_to_others(folder: Path) -> Path:
    (folder / "ddnn").mkdir(mode=0o777)
    (folder / "ddnn").chmod(0o777)
    return folder


def test_a_folder_with_a_long_name_will_do(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(a_long_name(tmp_path)))
    said: list[str] = []
    server = ControlServer(lambda _asked: 7, said.append)
    with ThreadPoolExecutor() as pool:
        told = pool.submit(request, REQUEST)
        wait_until(lambda: server.poll() or told.done())
        assert (told.result(), said) == (7, [])
    server.close()
    assert list(tmp_path.rglob("*.sock")) == []


@pytest.mark.parametrize("folder", [a_link, a_file, open_to_others], ids=lambda f: f.__name__)
def test_where_no_socket_can_be_the_launch_says_so_and_goes_on(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder(tmp_path)))
    said: list[str] = []
    server = ControlServer(lambda _asked: 7, said.append)
    server.poll()
    server.close()
    (line,) = said
    assert line.startswith("takes no orders from ddnn kill and ddnn fault: ")


def test_what_one_asks_may_serve_the_others_meanwhile(tmp_path, monkeypatch):
    """Each is answered once."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    asked: list[str] = []

    def act(request: dict[str, Any]) -> int:
        asked.append(request["node"])
        if len(asked) == 1:
            wait_until(lambda: (server.poll(), len(asked))[1] == 2)
        return len(asked)

    server = ControlServer(act, print)
    with ThreadPoolExecutor(2) as others:
        answers = [others.submit(request, REQUEST | {"node": name}) for name in ("cam0", "cam1")]
        wait_until(lambda: (server.poll(), all(each.done() for each in answers))[1])
    server.close()
    assert sorted(asked) == ["cam0", "cam1"]
    assert [each.result() for each in answers] == [2, 2]


def test_a_launch_that_another_one_looks_for_while_it_begins_is_found_afterwards(
    tmp_path, monkeypatch
):
    """Who looks removes the sockets at which nobody listens."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    listen, looked = socket.socket.listen, []

    def look_and_listen(server: socket.socket, *backlog: int) -> None:
        looked.append(about_launches())
        listen(server, *backlog)

    monkeypatch.setattr(socket.socket, "listen", look_and_listen)
    said: list[str] = []
    server = ControlServer(lambda _asked: 7, said.append)
    with ThreadPoolExecutor() as pool:
        told = pool.submit(request, REQUEST)
        wait_until(lambda: server.poll() or told.done())
    server.close()
    assert (looked, said, told.result()) == ([[]], [], 7)


@pytest.mark.parametrize(("age_s", "stays"), [(UNNAMED_S / 2, True), (2 * UNNAMED_S, False)])
def test_the_socket_of_a_launch_killed_before_it_listened_is_removed(
    tmp_path, monkeypatch, age_s, stays
):
    """One that is new may be that of a launch that has just begun."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path, bound_s = control_folder() / "7-ab.new", time.time() - age_s
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    os.utime(path, (bound_s, bound_s))
    assert about_launches() == []
    assert path.exists() == stays


def test_a_socket_that_cannot_listen_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def refuse(*_: object) -> None:
        raise OSError("no more sockets")

    monkeypatch.setattr(socket.socket, "listen", refuse)
    said: list[str] = []
    ControlServer(lambda _asked: 7, said.append).close()
    assert said == ["takes no orders from ddnn kill and ddnn fault: no more sockets"]
    assert list(tmp_path.glob("ddnn/*")) == []
