"""What is done on a host of a deployment, by its own Python: `python -m ddnn.deploy.on_host JSON`.

Over ssh one command is one step. Its argument is an object with `step` and what the step takes;
its answer, on standard output, is a line of JSON: what the step gives, or {"error": ...}. `follow`
answers with a line for all that was said so far, and one whenever something is, as long as it hears
of whoever listens on its standard input.

    FOLDER/
      versions/NAME/   what `parts` describes; never changed once it is there
      current          a link to one of them, replaced in one step
      control/         sockets of what runs; log, supervisor.pid: see service
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import secrets
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ddnn import __version__
from ddnn.deploy.service import Keeper, keeper
from ddnn.deploy.tail import tell_lines
from ddnn.errors import DdnnError, DeployError
from ddnn.run.launcher.control import CONTROL, about_launches

UP_S = 90.0
"""How long a host's nodes may take until all of them listen."""
TRIES = 3
"""What has ended so often before all of it listened does not come up."""
LOOK_S = 0.2


class Place:
    """A host's folder of a deployment, and what keeps its nodes running."""

    def __init__(self, folder: Path, service: Keeper) -> None:
        self.folder = folder
        self.service = service

    @property
    def current(self) -> str | None:
        """Name of the version that starts next; None: there is none yet."""
        with contextlib.suppress(OSError):
            return os.path.basename(os.readlink(self.folder / "current"))
        return None

    def look(self) -> dict[str, Any]:
        """How everything stands here; changes nothing."""
        versions = self.folder / "versions"
        current = self.current
        about = {} if current is None else _about(versions / current)
        return {
            "ddnn": __version__,
            "python": platform.python_version(),
            "folder": str(self.folder),
            "versions": sorted(p.name for p in versions.glob("[!.]*")),
            "current": current,
            "bundle_sha256": about.get("bundle_sha256"),
            "service": self.service.state(),
            "running": self.running(),
        }

    def running(self) -> dict[str, Any] | None:
        """What the running system says of itself; None: nothing runs."""
        found = about_launches(self.folder / "control" / CONTROL)
        return found[0] if found else None

    def receive(self, name: str, files: int, content: BinaryIO) -> dict[str, Any]:
        """Puts a version beside the others; `content`: a tar of it, with so many files.

        Raises DeployError where it ends before.
        """
        versions = self.folder / "versions"
        versions.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = versions / f".{name}.{secrets.token_hex(4)}"
        try:
            new.mkdir(mode=0o700)
            with tarfile.open(fileobj=content, mode="r|") as tar:
                tar.extractall(new, filter="data")
            found = sum(path.is_file() for path in new.rglob("*"))
            if found != files:
                raise DeployError(f"{name}: {found} of {files} files came")
            self.drop(name)  # of a try that broke off
            new.rename(versions / name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return {}

    def drop(self, name: str) -> dict[str, Any]:
        """Takes a version away that was received in vain."""
        if name != self.current:
            shutil.rmtree(self.folder / "versions" / name, ignore_errors=True)
        return {}

    def switch(self, name: str, was: str | None, runs: bool = False) -> dict[str, Any]:
        """Makes a version the current one, and starts it, in place of what runs, where `runs` says
        so. was: the current one as whoever asks knows it.

        Raises DeployError for a version that is not here, or that does not come up, and where
        somebody else has made another one the current one, or just does.
        """
        with self._alone():
            if self.current != was:
                raise DeployError(
                    f"{self.folder}: has version {self.current} by now, was {was or 'none'}: "
                    "somebody else deploys here; want `ddnn status` first"
                )
            self._make_current(name, runs=runs)
        return {}

    def go_back(self, name: str, before: str | None, runs: bool = False) -> dict[str, Any]:
        """Makes the version before the current one again, None: there is none, where it is `name`
        now. Raises DeployError as `switch`."""
        if self.current != name:  # it never came here, whoever else is at work
            return {}
        with self._alone():
            if self.current == name and before is None:
                self.service.remove()
                (self.folder / "current").unlink(missing_ok=True)
            elif self.current == name and before is not None:
                self._make_current(before, runs=runs)
        return {}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes what is current here meanwhile."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("a", encoding="utf-8") as lock:
            os.fchmod(lock.fileno(), 0o600)  # whoever can open it could hold it for ever
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DeployError(f"{self.folder}: somebody else just deploys here") from None
            yield

    def _make_current(self, name: str, *, runs: bool) -> None:
        if not (self.folder / "versions" / name).is_dir():
            raise DeployError(f"{self.folder}: has no version {name}")
        self._link(name)
        self.service.install()
        if runs:
            self.service.stop()
            self.start()

    def _link(self, name: str) -> None:
        new = self.folder / f".current.{secrets.token_hex(4)}"
        new.symlink_to(Path("versions") / name)
        new.replace(self.folder / "current")

    def prune(self, kept: list[str]) -> dict[str, Any]:
        """Removes all versions but these and the current one."""
        for path in (self.folder / "versions").glob("[!.]*"):
            if path.name not in kept:
                self.drop(path.name)
        return {}

    def start(self, name: str | None = None) -> dict[str, Any]:
        """Starts the nodes; returns when all of them listen. name: of the version that all hosts
        have, as whoever asks knows it.

        Raises DeployError where there is nothing to start, or another version, or it does not come
        up.
        """
        if self.current is None:
            raise DeployError(f"{self.folder}: nothing is deployed here")
        if name not in (None, self.current):
            raise DeployError(
                f"{self.folder}: has version {self.current}, want {name}: an upgrade broke off; "
                "want it once more"
            )
        self.service.start()
        end_s = time.monotonic() + UP_S
        while not self._is_up():
            if time.monotonic() > end_s or self.service.ends() >= TRIES:
                said = (self.service.logs(1) or ["it says nothing"])[-1]
                self.service.stop()
                raise DeployError(f"does not come up: {_message(said)}")
            time.sleep(LOOK_S)
        return {}

    def _is_up(self) -> bool:
        if not self.service.has_nodes:
            return True
        found = self.running()
        return found is not None and all(n["state"] == "running" for n in found["nodes"].values())

    def stop(self) -> dict[str, Any]:
        """Stops the nodes; returns when they are gone."""
        self.service.stop()
        return {}

    def logs(self, lines: int) -> dict[str, Any]:
        """The newest lines that the nodes' launcher said, of all its starts."""
        return {"lines": self.service.logs(lines)}

    def follow(self, lines: int, content: BinaryIO) -> dict[str, Any]:
        """Writes what the nodes' launcher says as long as somebody listens."""
        tell_lines(self.service.said(lines), content, sys.stdout)
        return {}


def _message(line: str) -> str:
    """Of a line of the log, which is JSON unless Python itself wrote it."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(line)["message"])
    return line


def _about(version: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((version / "version.json").read_bytes()))
    return {}


def do(step: dict[str, Any], content: BinaryIO) -> dict[str, Any]:
    """One step. Raises DdnnError, OSError."""
    arguments = dict(step)
    folder = Path(arguments.pop("folder")).expanduser().absolute()
    service = keeper(arguments.pop("service"), folder, arguments.pop("unit"))
    place = Place(folder, service)
    name = arguments.pop("step")
    if name in {"receive", "follow"}:
        arguments["content"] = content
    steps: dict[str, Callable[..., dict[str, Any]]] = {
        "look": place.look, "receive": place.receive, "drop": place.drop,
        "switch": place.switch, "go_back": place.go_back, "prune": place.prune,
        "start": place.start, "stop": place.stop, "logs": place.logs,
        "follow": place.follow,
    }  # fmt: skip
    return steps[name](**arguments)


def main() -> None:
    """Answers one step; the exit code is 0 also where the answer is an error. What it writes is for
    its user alone, whatever the host's umask: nodes refuse keys in a folder that others can change.
    """
    os.umask(0o077)
    asked = json.loads(sys.argv[1])
    try:
        answer = do(asked, sys.stdin.buffer)
    except DdnnError as error:
        answer = {"error": str(error)}
    except OSError as error:
        answer = {"error": f"{error.filename or asked['folder']}: {error.strerror or error}"}
    except tarfile.TarError as error:
        answer = {"error": f"{asked['folder']}: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
