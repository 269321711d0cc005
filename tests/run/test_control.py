"""The way into a running launch, with a launch that only notes what it is asked for."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddnn.run.control import MAX_LINE_BYTES, ControlServer, control_folder

REQUEST = {"node": "cam0", "kind": "kill"}
REFUSED = {"error": "not a request"}


class Visit:
    """A server and one who has connected to it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fails: Exception | None = None
        self.server = ControlServer(self._act)
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


def test_what_goes_wrong_while_acting_is_not_taken_for_a_visitor_that_left(visit):
    visit.fails = OSError("no more processes")
    visit.visitor.sendall(json.dumps(REQUEST).encode() + b"\n")
    with pytest.raises(OSError, match="no more processes"):
        visit.server.poll()
