"""The way into a running launch from another terminal: a socket in the user's own folder.

One line of JSON each way: the fields of a plan's failure, and {"error": ...} or {"sample": ...}.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ddnn.errors import ConfigError, DdnnError, LaunchError

MAX_LINE_BYTES = 4096
TIMEOUT_S = 30.0
"""How long a launch may take to answer: it may be waiting for a node that comes back."""
VISITOR_S = 0.2
"""How long a visitor may take to say what it wants; the launch stands still meanwhile."""

Act = Callable[[dict[str, Any]], int | None]
"""Makes a failure happen; returns the sample from which it holds, None where samples are counted on
another host. Raises DdnnError."""


def control_folder() -> Path:
    """Where launches of this user can be found; readable by nobody else.

    Raises LaunchError if it cannot be made or belongs to somebody else.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base) / "ddnn" if base else Path(tempfile.gettempdir()) / f"ddnn-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise LaunchError(f"{path}: {error.strerror}, want a folder for control sockets") from error
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise LaunchError(f"{path}: open to others, want a folder of your own with mode 0700")
    return path


class ControlServer:
    """The launcher's end. `poll` never waits."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._path = control_folder() / f"{os.getpid()}.sock"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(str(self._path))
        except OSError as error:
            self._socket.close()
            raise LaunchError(f"{self._path}: no control socket, {error}") from error
        self._socket.listen()
        self._socket.setblocking(False)

    def poll(self) -> None:
        """Serves whoever has connected."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(VISITOR_S)
            line = b""
            with contextlib.suppress(OSError):
                line = _read_line(connection)
            answer = self._answer(line)
            with contextlib.suppress(OSError):
                connection.sendall(answer)

    def _answer(self, line: bytes) -> bytes:
        try:
            answer: dict[str, object] = {"sample": self._act(dict(json.loads(line)))}
        except DdnnError as error:
            answer = {"error": str(error)}
        except (ValueError, TypeError, RecursionError):
            answer = {"error": "not a request"}
        return json.dumps(answer).encode() + b"\n"

    def close(self) -> None:
        """Takes the socket away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def request(failure: dict[str, Any], pid: int | None = None) -> int | None:
    """Asks the running launch (the one with process id `pid`, or the only one) for a failure.

    Returns the sample from which the failure holds, if it is known here. Raises LaunchError when
    there is no such launch or it refuses.
    """
    with _connect(pid) as connection:
        try:
            connection.sendall(json.dumps(failure).encode() + b"\n")
            answer = json.loads(_read_line(connection))
        except (OSError, ValueError) as error:
            raise LaunchError("the launch gave no answer, it may just have ended") from error
    if "error" in answer:
        raise LaunchError(str(answer["error"]))
    sample = answer["sample"]
    return None if sample is None else int(sample)


@contextlib.contextmanager
def _connect(pid: int | None) -> Iterator[socket.socket]:
    found = {}
    for path in sorted(control_folder().glob("*.sock")):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if isinstance(error, ConnectionRefusedError):
                path.unlink(missing_ok=True)  # a launch that was killed leaves it behind
            continue
        found[int(path.stem)] = connection
    try:
        pids = ", ".join(map(str, found))
        if not found:
            raise LaunchError("no launch of yours is running here, want one: ddnn launch RUN")
        if pid is not None and pid not in found:
            raise ConfigError(f"--pid: no launch with process id {pid} (running: {pids})")
        if pid is None and len(found) > 1:
            raise LaunchError(f"several launches are running, choose with --pid: {pids}")
        yield found[pid if pid is not None else next(iter(found))]
    finally:
        for connection in found.values():
            connection.close()


def _read_line(connection: socket.socket) -> bytes:
    """All of it within the connection's timeout."""
    line, deadline_s = b"", time.monotonic() + (connection.gettimeout() or math.inf)
    while not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
        if time.monotonic() > deadline_s:
            raise TimeoutError("the line took too long")
        part = connection.recv(MAX_LINE_BYTES)
        if not part:
            break
        line += part
    return line
