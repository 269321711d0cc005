"""Runs FOLDER/current/run again whenever it ends: `python -m ddnn.deploy.supervise FOLDER`.

For hosts without systemd. It holds a lock on FOLDER/supervisor.pid, so that there is one of it, and
ends by SIGTERM, after what it runs. What runs ends with it however it ends (Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

LOCK, LOG = "supervisor.pid", "log"
LOG_BYTES = 10_000_000
"""A longer log is moved to `log.1` when the nodes are started again."""
STOP_S = 30.0
"""What is told to stop and has not ended by then is killed."""
FIRST_WAIT_S, LONGEST_WAIT_S, WELL_S = 0.5, 30.0, 10.0
"""Between two starts: doubled each time, unless it ended well or ran for so long."""
TRIES = 20
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def supervise(folder: Path) -> None:
    """Until SIGTERM. Call it in the main thread."""
    told = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def stop(_number: int, _frame: object) -> None:
        told.set()
        for process in running:
            process.terminate()
            end = threading.Timer(STOP_S, process.kill)
            end.daemon = True
            end.start()

    with (folder / LOCK).open("a+b") as lock:
        _hold(lock, folder)
        signal.signal(signal.SIGTERM, stop)
        wait_s, starts = FIRST_WAIT_S, 0
        while not told.is_set():
            begun_s, starts = time.monotonic(), starts + 1
            _note(lock, starts=starts)
            running[:] = [_start(folder)]
            if told.is_set():  # while it was being started
                running[0].terminate()
            code = running[0].wait()
            well = code == 0 or time.monotonic() - begun_s > WELL_S  # 0: its run was over
            wait_s = FIRST_WAIT_S if well else min(2 * wait_s, LONGEST_WAIT_S)
            told.wait(wait_s)


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
    """For `service`: who supervises, and how often it has started what it runs."""
    lock.truncate(0)
    lock.write(f"{os.getpid()} {starts}\n".encode())
    lock.flush()


def _start(folder: Path) -> subprocess.Popen[bytes]:
    _rotate(folder)
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            ["/bin/sh", str(folder / "current" / "run"), "--log-json"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # threads are there after SIGTERM alone
        )


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _rotate(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if (folder / LOG).stat().st_size > LOG_BYTES:
            (folder / LOG).replace(folder / f"{LOG}.1")


if __name__ == "__main__":
    supervise(Path(sys.argv[1]))
