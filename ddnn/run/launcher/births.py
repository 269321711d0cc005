"""How a node's process comes to be: forked off a template that has imported everything, or as an
interpreter of its own. Called in the parent; `ddnn.run.child.template` is the other end.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import IO, Protocol

from ddnn.run.child.config import ChildConfig
from ddnn.run.child.template import NUMBER_BYTES, TITLE_BYTES

CHILD = (sys.executable, "-P", "-m", "ddnn.run.child")
"""-P: modules never come from the folder it happens to be started in."""
ANSWER_S = 20.0
"""Time that a template has to import everything, and to fork."""
KILL_S = 2.0
"""How long to wait for a killed process: the system may hold it, on a disk that hangs."""
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37  # linux/prctl.h
_adopting = threading.Lock()


class NodeProcess(Protocol):
    """A process of ours, as subprocess.Popen has it."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Births:
    """Starts node processes, all in one environment.

    On Linux a template forks them. Where there is none, or it has ended, each is an interpreter
    that imports for itself: slower, and the same otherwise.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._template: _Template | None = None
        if sys.platform == "linux" and hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._template = _Template(environment)

    def give(self, config: ChildConfig, stderr: IO[bytes]) -> NodeProcess:
        """A new process, in a process group of its own, that takes orders on a pipe.

        Raises OSError where the system starts none.
        """
        if self._template is not None:
            with contextlib.suppress(_TemplateGoneError):
                return self._template.fork(config, stderr)
            self.close()
        return subprocess.Popen(
            [*CHILD, config.to_argument()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            process_group=0,
            env=self._environment,
        )

    @property
    def template(self) -> int | None:
        """Process id of the template, None where there is none."""
        return None if self._template is None else self._template.pid

    def close(self) -> None:
        """Ends the template, and no node."""
        if self._template is not None:
            self._template.end()
            self._template = None


class _TemplateGoneError(Exception):
    """It does not answer."""


class _Template:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._asked, asked = socket.socketpair()
        self._asked.settimeout(ANSWER_S)
        with ExitStack() as failed, asked:
            failed.callback(self._asked.close)
            self._process = subprocess.Popen(
                [*CHILD, "template", str(asked.fileno()), " " * TITLE_BYTES],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
                pass_fds=[asked.fileno()],
                env=environment,
            )
            failed.pop_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self, config: ChildConfig, stderr: IO[bytes]) -> NodeProcess:
        """Raises OSError where the system forks none, _TemplateGoneError where nobody answers."""
        (its_input, to_node), (from_node, its_output) = os.pipe(), os.pipe()
        try:
            with _adopted():
                pid = self._ask(config, [its_input, its_output, stderr.fileno()])
        except BaseException:
            os.close(to_node)
            os.close(from_node)
            raise
        finally:
            os.close(its_input)
            os.close(its_output)
        return _Forked(pid, os.fdopen(to_node, "wb", 0), os.fdopen(from_node, "rb", 0))

    def _ask(self, config: ChildConfig, files: list[int]) -> int:
        text = json.dumps(asdict(config)).encode()
        try:
            socket.send_fds(self._asked, [len(text).to_bytes(NUMBER_BYTES, "little")], files)
            self._asked.sendall(text)
            answer = self._asked.recv(NUMBER_BYTES, socket.MSG_WAITALL)
        except OSError as error:
            raise _TemplateGoneError from error
        number = int.from_bytes(answer, "little", signed=True)
        if len(answer) < NUMBER_BYTES:
            raise _TemplateGoneError
        if number <= 0:
            raise OSError(-number, os.strerror(-number))
        return number

    def end(self) -> None:
        self._asked.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)


@contextmanager
def _adopted() -> Iterator[None]:
    """Meanwhile this process inherits the children of its own that end."""
    prctl, before = ctypes.CDLL(None).prctl, ctypes.c_int()
    with _adopting:
        prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        try:
            yield
        finally:
            prctl(PR_SET_CHILD_SUBREAPER, before.value)


class _Forked:
    """A child that no subprocess.Popen has started, with the part of its interface that we use."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._code = 0  # as subprocess.Popen: somebody else was told how it ended
            else:
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        if self.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                watched = select.poll()
                watched.register(descriptor, select.POLLIN)
                watched.poll(None if timeout is None else 1000 * timeout)
            finally:
                os.close(descriptor)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
