"""A launch's own folder: what cameras recorded, the bundle it began with, what nodes said.

Raw views never leave a device: the folder is closed to others and gone when the launch is. A
launcher that was killed cannot remove it, so the next launch of the same user does. A lock on a
file in it tells whether somebody uses it, not a process id: containers share /tmp and all are 1.

Nothing in it is the only one of its kind: whoever cleans /tmp costs a launch nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ddnn.errors import LaunchError

PREFIX = "ddnn-launch-"
LOCK = "lock"
TRIES = 10
"""To make a folder that no other launch takes for one that was left behind."""


class Workplace:
    """A folder whose files can be made again."""

    def __init__(self, path: Path, lock: int | None) -> None:
        """lock: descriptor that holds the folder, None where the file system knows no locks."""
        self.path = path
        self._lock = lock
        self._files: dict[str, Callable[[Path], object]] = {}

    def put(self, name: str, write: Callable[[Path], object]) -> Path:
        """Makes a file, and again whenever `mend` finds it gone. Returns where it is.

        Raises LaunchError where the disk is full.
        """
        self._files[name] = write
        self._make(name)
        return self.path / name

    def mend(self) -> None:
        """Makes again what somebody removed. Raises LaunchError where that cannot be done."""
        if self._lock is None or not _is_held(self.path, self._lock):
            self._make_folder()
        for name in self._files:
            if not (self.path / name).exists():
                self._make(name)

    def remove(self) -> None:
        """The folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def _make(self, name: str) -> None:
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[name](path)
        except OSError as error:
            raise LaunchError(f"{path}: cannot be written, {error.strerror or error}") from error

    def _make_folder(self) -> None:
        """At the same place, which nodes were told; nobody else's folder will do."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.lstat()
        except OSError as error:
            raise LaunchError(f"{self.path}: cannot be made, {error.strerror}") from error
        private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
        if not private or found.st_uid != os.getuid():
            raise LaunchError(f"{self.path}: a link, or open to others; want a folder of our own")
        if self._lock is not None:
            os.close(self._lock)
        self._lock = _hold(self.path)


@contextmanager
def own_folder() -> Iterator[Workplace]:
    """A new folder; those of launches that are gone are removed.

    Raises LaunchError where none can be made.
    """
    try:
        base = Path(tempfile.gettempdir())
        for path in base.glob(f"{PREFIX}*"):
            _remove_left(path)
        workplace = _new()
    except OSError as error:
        raise LaunchError(f"no temporary folder can be made: {error.strerror or error}") from error
    try:
        yield workplace
    finally:
        workplace.remove()


def _new() -> Workplace:
    for _ in range(TRIES):
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _hold(path)
        if lock is not None:
            return Workplace(path, lock)
        shutil.rmtree(path, ignore_errors=True)
    return Workplace(Path(tempfile.mkdtemp(prefix=PREFIX)), None)


def _remove_left(path: Path) -> None:
    """Removes it if a launch made it and none holds it. Others may do the same meanwhile."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return
        lock = _hold(path, make=0)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _hold(folder: Path, make: int = os.O_CREAT) -> int | None:
    """Descriptor of the folder's lock, which is held until it is closed; None: another holds it,
    there is none, or there are no locks."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | make, 0o600)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_held(folder, descriptor):
            return descriptor
    os.close(descriptor)
    return None


def _is_held(folder: Path, descriptor: int) -> bool:
    """Whether the lock is still that of this folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), (folder / LOCK).lstat())
    except OSError:
        return False
