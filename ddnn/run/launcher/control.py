"""The way into a running launch from another terminal: a socket in the user's own folder.

One line of JSON each way: the fields of a plan's failure, and {"error": ...} or {"sample": ...};
or {"about": true}, and {"about": ...}, what the launch says of itself; or {"last": true}, which is
answered like that when the launch ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddnn.errors import ConfigError, DdnnError, LaunchError

MAX_LINE_BYTES = 4096
MAX_ANSWER_BYTES = 1 << 20
CONTROL = "ddnn"
"""Name of the control folder in $XDG_RUNTIME_DIR."""
TIMEOUT_S = 30.0
"""How long a launch may take to answer: it may be waiting for a node that comes back."""
SUFFIX = ".sock"
"""A socket's file is PID-RANDOM.sock: containers that share the folder may share process ids."""
UNNAMED, UNNAMED_S = ".new", 60.0
"""Of one that does not listen yet; and how old only one can be whose launch was killed then."""
MAX_NAME_BYTES = 107
VISITOR_S = 5.0
"""How long a visitor may take to say what it wants; nobody waits for it."""
MAX_VISITORS = 16
LAST_S = 0.5
"""How long one who waits for its last words may take to take them in."""

Act = Callable[[dict[str, Any]], int | None]
"""Makes a failure happen; returns the sample from which it holds, None where samples are counted on
another host. Raises DdnnError."""


def control_folder() -> Path:
    """Where launches of this user can be found; readable by nobody else.

    Raises LaunchError if it cannot be made, is a link, or belongs to somebody else.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base) / CONTROL if base else Path(tempfile.gettempdir()) / f"ddnn-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise LaunchError(f"{path}: {error.strerror}, want a folder for control sockets") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise LaunchError(f"{path}: a link or somebody else's, want a folder of your own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise LaunchError(f"{path}: open to others, want a folder of your own with mode 0700")
    return path


@dataclass(slots=True)
class _Visitor:
    """One who has connected, and what it has said so far."""

    connection: socket.socket
    until_s: float
    line: bytes = b""

    def says_more(self) -> bool:
        """Takes in what is there. Whether that is not all yet."""
        try:
            while not self.line.endswith(b"\n") and len(self.line) < MAX_LINE_BYTES:
                part = self.connection.recv(MAX_LINE_BYTES)
                if not part:
                    return False
                self.line += part
        except BlockingIOError:
            return time.monotonic() < self.until_s
        except OSError:
            return False
        return False


class ControlServer:
    """The launcher's end. `poll` never waits; a launch that cannot have it takes no orders."""

    def __init__(
        self, act: Act, say: Callable[[str], None], about: Callable[[], dict[str, Any]] = dict
    ) -> None:
        """about: what the launch says of itself."""
        self._act, self._about = act, about
        self._socket: socket.socket | None = None
        self._visitors: list[_Visitor] = []
        self._last: list[socket.socket] = []
        self._ends = False
        try:
            self._path = control_folder() / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            self._socket = _listen(self._path)
        except (OSError, LaunchError) as error:
            say(f"takes no orders from ddnn kill and ddnn fault: {error}")

    def poll(self) -> None:
        """Lets one more in and serves those who have said all; what one of them wants may poll for
        the others. Raises OSError where the system lets nobody in."""
        try:
            self._let_in()
        finally:
            for _ in range(len(self._visitors)):
                if self._visitors:
                    visitor = self._visitors.pop(0)
                    self._visitors += [visitor] if self._serve(visitor) else []

    def _let_in(self) -> None:
        if self._socket is None or len(self._visitors) >= MAX_VISITORS:
            return
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        connection.setblocking(False)
        self._visitors.append(_Visitor(connection, time.monotonic() + VISITOR_S))

    def _serve(self, visitor: _Visitor) -> bool:
        """Whether to wait for more of what it says."""
        if visitor.says_more():
            return True
        if visitor.line == LAST and len(self._last) < MAX_VISITORS:
            self._last.append(visitor.connection)
            return False
        answer = self._answer(visitor.line)
        with visitor.connection, contextlib.suppress(OSError):
            visitor.connection.sendall(answer)
        return False

    def _answer(self, line: bytes) -> bytes:
        try:
            asked = dict(json.loads(line))
        except (ValueError, TypeError, RecursionError):
            return _line({"error": "not a request"})
        try:
            if asked == {"about": True}:
                return _line({"about": self._about()})
            if self._ends:
                return _line({"error": "the launch has just ended"})
            return _line({"sample": self._act(asked)})
        except (DdnnError, OSError) as error:
            return _line({"error": str(error)})
        except (ValueError, TypeError, RecursionError):
            return _line({"error": "not a request"})

    def close(self) -> None:
        """Takes the socket away. Those who wait for it are told the last words."""
        self._ends = True
        with contextlib.suppress(OSError):
            for _ in range(MAX_VISITORS):
                self.poll()
        for connection in self._last:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(LAST_S)
                connection.sendall(_line({"about": self._about()}))
        for visitor in self._visitors:
            visitor.connection.close()
        if self._socket is not None:
            self._socket.close()
            with contextlib.suppress(OSError):
                self._path.unlink()


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


LAST = _line({"last": True})


def _listen(path: Path) -> socket.socket:
    """Raises OSError. The socket's own descriptor is not waited for.

    It gets its name once it listens: one that does not is taken for a killed launch's.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made = path.with_suffix(UNNAMED)
    try:
        with _short(made) as name:
            server.bind(name)
        server.listen()
        made.replace(path)
        server.setblocking(False)
    except BaseException:
        server.close()
        made.unlink(missing_ok=True)
        raise
    return server


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for a socket's address, which holds 107 bytes: on Linux a folder that is open has a
    short one, however long its own is."""
    if len(os.fsencode(path)) <= MAX_NAME_BYTES or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def request(
    failure: dict[str, Any], pid: int | None = None, timeout_s: float = TIMEOUT_S
) -> int | None:
    """Asks the running launch (the one with process id `pid`, or the only one) for a failure.

    timeout_s: how long it may take to answer. Returns the sample from which the failure holds, if
    it is known here. Raises LaunchError when there is no such launch or it refuses.
    """
    with _connect(pid) as connection:
        connection.settimeout(timeout_s)
        sample = _exchange(connection, failure)["sample"]
    return None if sample is None else int(sample)


def about_launches(folder: Path | None = None) -> list[dict[str, Any]]:
    """What each running launch says of itself; folder: of control sockets, default this user's.

    Those that end meanwhile are left out.
    """
    found = []
    with connections(control_folder() if folder is None else folder) as by_pid:
        for connection in [each for several in by_pid.values() for each in several]:
            with contextlib.suppress(LaunchError):
                found.append(dict(_exchange(connection, {"about": True})["about"]))
    return [about for about in found if about]


def _exchange(connection: socket.socket, asked: dict[str, Any]) -> dict[str, Any]:
    """The launch's answer. Raises LaunchError where it gives none or refuses."""
    try:
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answer = dict(json.loads(read_line(connection)))
    except (OSError, ValueError) as error:
        raise LaunchError("the launch gave no answer, it may just have ended") from error
    if "error" in answer:
        raise LaunchError(str(answer["error"]))
    return answer


@contextlib.contextmanager
def _connect(pid: int | None) -> Iterator[socket.socket]:
    with connections(control_folder()) as found:
        pids = ", ".join(map(str, found))
        if not found:
            raise LaunchError("no launch of yours is running here, want one: ddnn launch RUN")
        if pid is not None and pid not in found:
            raise ConfigError(f"--pid: no launch with process id {pid} (running: {pids})")
        if pid is None and len(found) > 1:
            raise LaunchError(f"several launches are running, choose with --pid: {pids}")
        chosen = found[pid if pid is not None else next(iter(found))]
        if len(chosen) > 1:
            raise LaunchError(f"{len(chosen)} launches have process id {pids}, want one here")
        yield chosen[0]


@contextlib.contextmanager
def connections(folder: Path) -> Iterator[dict[int, list[socket.socket]]]:
    """To every launch that can be found in the folder, by process id."""
    _remove_unnamed(folder)
    found: dict[int, list[socket.socket]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        number = path.name.partition("-")[0]
        if not (number.isascii() and number.isdecimal() and _is_socket(path)):
            continue  # not a launch's
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        try:
            with _short(path) as name:
                connection.connect(name)
        except OSError as error:
            connection.close()
            if isinstance(error, ConnectionRefusedError):
                path.unlink(missing_ok=True)  # a launch that was killed leaves it behind
            continue
        found.setdefault(int(number), []).append(connection)
    try:
        yield found
    finally:
        for connection in [each for several in found.values() for each in several]:
            connection.close()


def _remove_unnamed(folder: Path) -> None:
    """Sockets of launches that were killed before theirs had its name."""
    for path in folder.glob(f"*{UNNAMED}"):
        with contextlib.suppress(OSError):
            if _is_socket(path) and time.time() - path.lstat().st_mtime > UNNAMED_S:
                path.unlink()


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def read_line(connection: socket.socket) -> bytes:
    """All of it within the connection's timeout."""
    line, deadline_s = b"", time.monotonic() + (connection.gettimeout() or math.inf)
    while not line.endswith(b"\n") and len(line) < MAX_ANSWER_BYTES:
        if time.monotonic() > deadline_s:
            raise TimeoutError("the line took too long")
        part = connection.recv(1 << 16)
        if not part:
            break
        line += part
    return line
