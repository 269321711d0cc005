"""Runs FOLDER/current/run again whenever it ends: `python -m ddnn.deploy.supervise FOLDER`.

For hosts without systemd. It holds a lock on FOLDER/supervisor.pid, so that there is one of it, and
ends by SIGTERM, after what it runs. What runs ends with it however it ends (Linux). What it says
goes to FOLDER/log, which is moved to `log.1` when it has grown long.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

LOCK, LOG = "supervisor.pid", "log"
LOG_BYTES = 10_000_000
"""A longer log is moved to `log.1`."""
STOP_S = 30.0
"""What is told to stop and has not ended by then is killed."""
FIRST_WAIT_S, LONGEST_WAIT_S, WELL_S = 0.5, 30.0, 10.0
"""Between two starts: doubled each time, unless it ended well or ran for so long."""
LOOK_S = 1.0
"""Between two looks whether it has ended, where something that it started holds its output open."""
TRIES = 20
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stop:
    """Whether SIGTERM has come. A handler may write into a pipe, but not wake an Event, whose lock
    the code that it interrupts may hold."""

    def __init__(self) -> None:
        self.has_come = False
        self.descriptor, self._told = os.pipe()
        signal.signal(signal.SIGTERM, self._come)

    def _come(self, _number: int, _frame: object) -> None:
        if not self.has_come:
            self.has_come = True
            os.write(self._told, b"x")

    def wait(self, seconds: float) -> None:
        """Until it comes, so long at most."""
        select.select([self.descriptor], [], [], seconds)


class Log:
    """FOLDER/log; lines are whole where it is begun anew. What the disk refuses is lost."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG
        self._file = self._path.open("ab", buffering=0)

    def add(self, content: bytes) -> None:
        """Appends it."""
        with contextlib.suppress(OSError):
            whole, end, rest = content.rpartition(b"\n")
            if end and self._file.tell() + len(content) > LOG_BYTES:
                self._file.write(whole + end)
                content = rest
                with contextlib.suppress(OSError):  # it goes on in the old one
                    self._begin_anew()
            self._file.write(content)

    def close(self) -> None:
        """It takes no more."""
        self._file.close()

    def _begin_anew(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody has moved it
            self._path.replace(self._path.with_name(f"{LOG}.1"))
        fresh = self._path.open("ab", buffering=0)
        self._file.close()
        self._file = fresh


def supervise(folder: Path) -> None:
    """Until SIGTERM. Call it in the main thread."""
    with (
        os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock,
        contextlib.closing(Log(folder)) as log,
    ):
        _hold(lock, folder)
        stop, wait_s, starts = Stop(), FIRST_WAIT_S, 0
        while not stop.has_come:
            begun_s, starts = time.monotonic(), starts + 1
            _note(lock, starts=starts)
            code = _run(_start(folder), stop, log)
            well = code == 0 or time.monotonic() - begun_s > WELL_S  # 0: its run was over
            wait_s = FIRST_WAIT_S if well else min(2 * wait_s, LONGEST_WAIT_S)
            stop.wait(wait_s)


def _hold(lock: BinaryIO, folder: Path) -> None:
    """Whoever looks whether it is held holds it for a moment too."""
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _note(lock, starts=0)
            return
        time.sleep(0.05)
    sys.exit(f"{folder}: is supervised already")


def _note(lock: BinaryIO, *, starts: int) -> None:
    """For `service`: who supervises, and how often it has started what it runs. Always as long, in
    one write, so that nobody reads a half of it."""
    os.pwrite(lock.fileno(), f"{os.getpid():10} {starts:10}\n".encode(), 0)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", str(folder / "current" / "run"), "--log-json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        preexec_fn=_end_with_parent,  # noqa: PLW1509  # there are no threads
    )


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _run(process: subprocess.Popen[bytes], stop: Stop, log: Log) -> int:
    """Logs what it says until it ends, and ends it when told to; gives its exit code."""
    told_s: float | None = None
    with process, contextlib.closing(_output(process)) as output:
        says: list[BinaryIO] = [output]
        while process.poll() is None:
            waited = [each.fileno() for each in says]
            if told_s is None:
                waited.append(stop.descriptor)
            ready, _, _ = select.select(waited, [], [], LOOK_S)
            if stop.has_come and told_s is None:
                process.terminate()
                told_s = time.monotonic()
            if told_s is not None and time.monotonic() - told_s > STOP_S:
                process.kill()
            if output.fileno() in ready and not _copied(output, log):
                says = []  # it says nothing any more
        while select.select([output], [], [], 0)[0] and _copied(output, log):
            pass
    return process.returncode


def _output(process: subprocess.Popen[bytes]) -> BinaryIO:
    if process.stdout is None:
        raise ValueError("a process without a pipe, want one")
    return process.stdout  # type: ignore[return-value]


def _copied(output: BinaryIO, log: Log) -> bool:
    """Whether something was there."""
    content = os.read(output.fileno(), 65536)
    log.add(content)
    return bool(content)


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
