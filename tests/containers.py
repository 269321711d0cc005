"""Services of docker-compose.yaml as containers under runc: what Docker would do with them.

The root is this machine's Python and what the plain install of ddnn consists of, mounted: nothing
is copied or downloaded. Restarts are done here, as the service's policy says.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import ddnn

SITE = "/site"
RESTART_S = 0.5
SYSTEM = ("/bin", "/lib", "/lib64")


def plain_install() -> dict[str, Path]:
    """By name in site-packages: all files and folders of what `pip install ddnn` brings."""
    found = {"ddnn": Path(ddnn.__file__).parent}
    waiting, seen = ["ddnn"], set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        distribution = _distribution(name)
        if distribution is None:
            continue
        for file in distribution.files or ():
            top = file.parts[0]
            if name != "ddnn" and top not in ("..", "__pycache__"):
                found[top] = Path(str(distribution.locate_file(top)))
        waiting += [_needed(each) for each in distribution.requires or () if _needed(each)]
    return found


def _distribution(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None  # another system's, or another Python's


def _needed(requirement: str) -> str:
    """Its name, unless it belongs to an extra."""
    return "" if "extra ==" in requirement else re.split(r"[^A-Za-z0-9._-]", requirement)[0]


class Container:
    """A service, in a network namespace of its own, started again as its policy says."""

    def __init__(
        self, name: str, service: dict[str, Any], folder: Path, *, netspace: str, hosts: Path
    ) -> None:
        """folder: where docker-compose.yaml is. hosts: what /etc/hosts says."""
        self.name, self._service, self._compose = name, service, folder
        self.id = f"{netspace}-container"
        self.place = hosts.parent / f"container-{name}"
        self.log = self.place / "log"
        self.starts = 0
        self._over = threading.Event()
        self._write(netspace, hosts)
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            self.starts += 1
            with self.log.open("ab") as log:
                command = ["runc", "run", "--bundle", str(self.place), self.id]
                self.code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
            policy, _, most = str(self._service.get("restart", "no")).partition(":")
            if self.code == 0 or policy != "on-failure" or (most and self.starts > int(most)):
                return
            self._over.wait(RESTART_S)

    def wait(self, deadline_s: float) -> int:
        """The exit code once it has ended and is not started again."""
        self._thread.join(deadline_s)
        assert not self._thread.is_alive(), self.log.read_text()
        return self.code

    def is_healthy(self) -> bool:
        """By its own health check."""
        _, _, *arguments = self._service["healthcheck"]["test"]
        return self.execute(*arguments).returncode == 0

    def execute(self, *arguments: str) -> subprocess.CompletedProcess:
        """Its Python, with these arguments, in the container."""
        command = ["runc", "exec", self.id, sys._base_executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def kill(self) -> None:
        """As a crash would: its policy holds."""
        subprocess.run(["runc", "kill", self.id, "KILL"], check=True)

    def remove(self) -> None:
        self._over.set()
        subprocess.run(["runc", "delete", "--force", self.id], capture_output=True, check=False)
        if self._thread.ident is not None:
            self._thread.join(30)

    def _write(self, netspace: str, hosts: Path) -> None:
        root = self.place / "rootfs"
        root.mkdir(parents=True)
        subprocess.run(["runc", "spec"], cwd=self.place, check=True)
        spec = json.loads((self.place / "config.json").read_text())
        spec["process"] |= self._process(spec["process"])
        spec["root"]["readonly"] = self._service["read_only"]
        spec["hostname"] = self.name
        spec["mounts"] = [m for m in spec["mounts"] if m["type"] != "cgroup"]
        spec["mounts"] += self._mounts(root, hosts)
        spaces = [s for s in spec["linux"]["namespaces"] if s["type"] not in ("network", "cgroup")]
        own = {"type": "network", "path": f"/run/netns/{netspace}"}
        spec["linux"]["namespaces"] = [*spaces, own]
        if limit := self._service.get("mem_limit"):
            spec["linux"]["resources"]["memory"] = {"limit": limit}
        (self.place / "config.json").write_text(json.dumps(spec))

    def _process(self, default: dict[str, Any]) -> dict[str, Any]:
        assert self._service["cap_drop"] == ["ALL"]
        assert self._service["security_opt"] == ["no-new-privileges:true"]
        user, group = map(int, self._service["user"].split(":"))
        return {
            "terminal": False,
            "user": {"uid": user, "gid": group},
            "args": [sys._base_executable, "-m", "ddnn", *self._service["command"]],
            "env": [f"PYTHONPATH={SITE}", "OMP_NUM_THREADS=1", "HOME=/tmp", "PATH=/usr/bin:/bin"],
            "capabilities": {kind: [] for kind in default["capabilities"]},
            "noNewPrivileges": True,
        }

    def _mounts(self, root: Path, hosts: Path) -> list[dict[str, Any]]:
        places = {f"{SITE}/{name}": path for name, path in plain_install().items()}
        places |= {sys.base_prefix: Path(sys.base_prefix), "/usr": Path("/usr")}
        places["/etc/hosts"] = hosts
        for name in SYSTEM:
            if os.path.islink(name):
                (root / name[1:]).symlink_to(os.readlink(name))
            elif Path(name).exists():
                places[name] = Path(name)
        mounts = [_bind(inside, path, "ro") for inside, path in sorted(places.items())]
        for volume in self._service["volumes"]:
            source, inside, mode = volume.split(":")
            mounts.append(_bind(inside, self._compose / source, mode))
        for inside in self._service["tmpfs"]:
            (root / inside[1:]).mkdir()
            (root / inside[1:]).chmod(0o1777)  # runc gives a tmpfs the mode of what it hides
            options = ["nosuid", "nodev"]
            tmpfs = {"destination": inside, "type": "tmpfs", "source": "tmpfs", "options": options}
            mounts.append(tmpfs)
        return mounts


def _bind(inside: str, path: Path, mode: str) -> dict[str, Any]:
    options = ["rbind", mode, "nosuid"]
    return {"destination": inside, "type": "bind", "source": str(path), "options": options}


def can_run() -> bool:
    """Whether runc is there."""
    return shutil.which("runc") is not None
