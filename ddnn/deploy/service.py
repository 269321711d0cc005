"""What keeps a host's nodes running: a unit of systemd, a process of our own, or nobody.

All three run FOLDER/current/run. systemd's unit is the system's where root deploys, else the
user's. Without systemd a process of its own session starts it again when it ends (`supervise`),
and holds a lock that tells that it is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

from ddnn.deploy.supervise import LOCK, LOG, STOP_S
from ddnn.deploy.tail import tail
from ddnn.errors import DeployError
from ddnn.live.systemd import host_unit
from ddnn.report.files import write_bytes

LOOK_S = 0.05
CURSOR = "-- cursor: "
SYSTEMCTL_S = 100.0
"""Stopping may take as long as the unit allows."""


class Keeper(Protocol):
    """Starts what runs on this host, and starts it again when it ends."""

    has_nodes: bool

    def install(self) -> None:
        """Makes it fit the current version; starts nothing."""

    def remove(self) -> None:
        """Stops it and takes it away."""

    def start(self) -> None:
        """Starts it, unless it runs."""

    def stop(self) -> None:
        """Stops it and waits until it is gone."""

    def state(self) -> str:
        """running, stopped or failed."""

    def ends(self) -> int:
        """How often what it runs has ended since it was started."""

    def logs(self, lines: int) -> list[str]:
        """The newest lines."""

    def said(self, lines: int) -> Generator[list[str]]:
        """The newest lines; then, each time, those that were added."""


def keeper(kind: str, folder: Path, unit: str) -> Keeper:
    """kind: systemd, process or none. unit: its name where it is systemd's."""
    if kind == "systemd":
        return Systemd(folder, unit)
    return Supervised(folder) if kind == "process" else Nobody()


class Nobody:
    """Of the host with the collector, where runs are started by hand."""

    has_nodes = False

    def install(self) -> None:
        """There is nothing."""

    remove = start = stop = install

    def state(self) -> str:
        """Never running: a run has an end of its own."""
        return "by hand"

    def ends(self) -> int:
        """It was never started."""
        return 0

    def logs(self, lines: int) -> list[str]:
        """None are kept."""
        return []

    def said(self, lines: int) -> Generator[list[str]]:
        """Nothing."""
        while True:
            yield []


class Systemd:
    """A unit: the system's for root, else the user's own."""

    has_nodes = True

    def __init__(self, folder: Path, unit: str) -> None:
        self._folder, self._unit = folder, unit
        self._scope = [] if os.getuid() == 0 else ["--user"]
        own = Path.home() / ".config/systemd/user"
        self._file = (Path("/etc/systemd/system") if os.getuid() == 0 else own) / unit

    def install(self) -> None:
        """Writes the unit. Raises DdnnError where it cannot, or systemd does not answer."""
        write_unit(self._file, host_unit(self._folder, is_user=bool(self._scope)))
        self._call("daemon-reload")

    def remove(self) -> None:
        """Raises DeployError where systemd does not answer."""
        if self._file.exists():
            self._call("disable", "--now", self._unit)
            self._file.unlink()
            self._call("daemon-reload")

    def start(self) -> None:
        """Also after a reboot. Raises DeployError where systemd does not answer."""
        self._call("reset-failed", self._unit, check=False)
        self._call("enable", "--now", self._unit)

    def stop(self) -> None:
        """Until it is started again, also over a reboot."""
        self._call("disable", "--now", self._unit)

    def state(self) -> str:
        """activating: it has just ended and will be started again."""
        found = self._call("is-active", self._unit, check=False)
        states = {"active": "running", "activating": "running", "reloading": "running"}
        return states.get(found, "failed" if found == "failed" else "stopped")

    def ends(self) -> int:
        """As systemd counts them."""
        return int(self._call("show", "--property=NRestarts", "--value", self._unit) or 0)

    def logs(self, lines: int) -> list[str]:
        """From the journal."""
        return self._journal("-n", str(lines))[0]

    def said(self, lines: int) -> Generator[list[str]]:
        """From the journal, which is asked again and again."""
        found, cursor = self._journal("-n", str(lines))
        while True:
            yield found
            found, newest = self._journal(f"--after-cursor={cursor}" if cursor else "--no-tail")
            cursor = newest or cursor

    def _journal(self, *which: str) -> tuple[list[str], str]:
        """Lines, and the place after them; empty where there are none."""
        unit = [*self._scope, "-u", self._unit]
        command = ["journalctl", *unit, "-o", "cat", "-q", "--no-pager", "--show-cursor", *which]
        lines = _run(command).stdout.splitlines()
        if lines and lines[-1].startswith(CURSOR):
            return lines[:-1], lines[-1].removeprefix(CURSOR)
        return lines, ""

    def _call(self, *arguments: str, check: bool = True) -> str:
        done = _run(["systemctl", *self._scope, "--quiet" if check else "--no-pager", *arguments])
        if check and done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise DeployError(
                f"systemctl {arguments[0]}: {said[0] if said else done.returncode}; without "
                "systemd, want `service: process` in the hosts file"
            )
        return done.stdout.strip()


def write_unit(path: Path, text: str) -> None:
    """Whole or not at all; one that is as wanted is left alone, as a disk that is full needs.

    Raises DdnnError.
    """
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return
    before = os.umask(0o022)  # systemd warns of units that not all can read
    try:
        write_bytes(path, text.encode())
    finally:
        os.umask(before)


class Supervised:
    """A process of its own session that runs it again and again."""

    has_nodes = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self) -> None:
        """There is nothing but the folder."""

    def remove(self) -> None:
        """Stops it."""
        self.stop()

    def start(self) -> None:
        """Not after a reboot: `ddnn deploy start` does it then."""
        if self._pid() is not None:
            return
        command = [sys.executable, "-m", "ddnn.deploy.supervise", str(self._folder)]
        log = os.open(self._folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],  # which outlives us
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=True,
            )
        finally:
            os.close(log)
        self._wait(lambda: self._pid() is not None, "does not start")

    def stop(self) -> None:
        """Raises DeployError where it does not end."""
        pid = self._pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._wait(lambda: self._pid() is None, "does not stop")

    def state(self) -> str:
        """By the lock: process ids are used again."""
        return "stopped" if self._pid() is None else "running"

    def ends(self) -> int:
        """Each start but the first follows an end."""
        return max(0, self._noted()[1] - 1)

    def logs(self, lines: int) -> list[str]:
        """Of the newest file, and of the one before where that has too few."""
        with contextlib.closing(self.said(lines)) as said:
            return next(said)

    def said(self, lines: int) -> Generator[list[str]]:
        """Also over files that are begun anew."""
        return tail(self._folder / LOG, self._folder / f"{LOG}.1", lines)

    def _pid(self) -> int | None:
        """Of the process that holds the lock; None: nobody does."""
        with contextlib.suppress(FileNotFoundError), (self._folder / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return self._noted()[0] or None
        return None

    def _noted(self) -> tuple[int, int]:
        """The supervisor's process id, and how often it has started what it runs."""
        with contextlib.suppress(OSError, ValueError):
            pid, starts = (self._folder / LOCK).read_bytes().split()
            return int(pid), int(starts)
        return 0, 0

    def _wait(self, has_happened: Callable[[], bool], else_: str) -> None:
        end_s = time.monotonic() + STOP_S + 5
        while not has_happened():
            if time.monotonic() > end_s:
                raise DeployError(f"{self._folder}: its supervisor {else_}")
            time.sleep(LOOK_S)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Raises DeployError where there is no such command, or it does not end."""
    environment = dict(os.environ)
    environment.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=SYSTEMCTL_S,
            env=environment,
        )
    except FileNotFoundError:
        raise DeployError(
            f"no {command[0]} here, want `service: process` in the hosts file"
        ) from None
    except subprocess.TimeoutExpired:
        raise DeployError(f"{' '.join(command)}: no answer in {SYSTEMCTL_S:.0f} s") from None
