"""Hosts with sshd, in network namespaces, and an operator who deploys to them."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import patient, star_topology
from launched import write_card
from networks import Trained, Trainer
from spaces import NEEDED, Net
from waiting import node_processes, wait_until

from ddnn.run.inprocess import run_inprocess
from ddnn.topology import Topology

SSHD = Path("/usr/sbin/sshd")
MARKS = [
    pytest.mark.study,
    *NEEDED,
    pytest.mark.skipif(not SSHD.exists(), reason="needs openssh-server"),
]
ADDRESSES = {"site": "10.78.0.1", "north": "10.78.0.2", "cloud": "10.78.0.3"}
HOSTS = {"cam0": "north", "cam1": "site", "gateway": "site", "cloud": "cloud"}
SAMPLES = 60
COMMAND_S = 120


def topology_of(**ports: int) -> Topology:
    """One camera where the collector is, another and the cloud each on a host of its own."""
    document = patient(star_topology(2, security={"curve": True}), seconds=10)
    document = document.model_dump(mode="json")
    for number, (name, node) in enumerate(document["nodes"].items()):
        node["host"], node["restart"] = HOSTS[name], "always"
        node["endpoint"] = f"tcp://{ADDRESSES[HOSTS[name]]}:{ports.get(name, 6000 + number)}"
    document["collector"] |= {"endpoint": "tcp://10.78.0.1:5999", "host": "site"}
    return Topology.model_validate(document)


class Follower(NamedTuple):
    """A process that follows, and where what it says goes."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text()


class Fleet:
    """An operator on `site`, where the collector is, and hosts with sshd."""

    def __init__(self, net: Net, folder: Path, sshds: tuple[str, ...] = ("north", "cloud")) -> None:
        self._net, self.folder, self._sshds = net, folder, sshds
        self.out, self.known = folder / "deployed", folder / "known_hosts"
        self._make_keys()
        for host in sshds:
            self._start_sshd(host)
        self.train = Trainer(folder / "trained")
        self.first = self.train(topology_of(), SAMPLES)
        self.hosts = self._write_hosts()

    def _make_keys(self) -> None:
        for name in ("own", *self._sshds):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name]
            subprocess.run(command, check=True)
        lines = []
        for host in self._sshds:
            kind, key, *_ = (self.folder / f"{host}.pub").read_text().split()
            lines.append(f"{ADDRESSES[host]} {kind} {key}\n")
        self.known.write_text("".join(lines))

    def _start_sshd(self, host: str) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        log = self.folder / f"sshd-{host}.log"
        config = self._write_sshd_config(host)
        self._net.start(host, log, str(SSHD), "-D", "-e", "-f", str(config))
        wait_until(lambda: "Server listening" in log.read_text())

    def _write_sshd_config(self, host: str) -> Path:
        config = self.folder / f"sshd-{host}.conf"
        config.write_text(
            f"ListenAddress {ADDRESSES[host]}:22\nHostKey {self.folder / host}\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder / 'own.pub'}\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        )
        return config

    def _write_hosts(self) -> Path:
        lines = [
            "all: {user: root, key: own, known_hosts: known_hosts, service: process,",
            f"      python: {sys.executable}}}",
            "hosts:",
        ]
        for host in self._sshds:
            lines.append(f"  {host}: {{address: {ADDRESSES[host]}, folder: {self.place(host)}}}")
        path = self.folder / "hosts.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def place(self, host: str) -> Path:
        """The host's folder of the deployment."""
        return self.folder / "on" / host

    def ddnn(self, *arguments: object, code: int = 0) -> str:
        """A command on the operator's host; what it says."""
        command = [sys.executable, "-m", "ddnn", *map(str, arguments)]
        return self.run(command, code)

    def ddnn_at_once(self, *commands: tuple[object, ...]) -> list[str]:
        """What each says, begun at one moment."""
        card = write_card(self.folder, self.first.samples)
        place = ["ip", "netns", "exec", self._net.name("site")]
        started = [
            subprocess.Popen(
                [*place, sys.executable, "-m", "ddnn", *map(str, command), *card],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for command in commands
        ]
        return [process.communicate(timeout=COMMAND_S)[0] for process in started]

    def run(self, command: list[str], code: int | None = 0) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self._net.name("site"), *command],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def deploy(self, code: int = 0) -> str:
        first = [
            self.first.bundle.folder,
            "--hosts",
            self.hosts,
            *write_card(self.folder, self.first.samples),
        ]
        return self.ddnn("deploy", "ssh", *first, "--out", self.out, code=code)

    def upgrade(self, trained: Trained, code: int = 0) -> str:
        other = [trained.bundle.folder, *write_card(self.folder, trained.samples)]
        return self.ddnn("deploy", "upgrade", self.out, *other, code=code)

    def assert_a_run_answers_as(self, trained: Trained) -> None:
        """Over all hosts, as in one process, sample by sample."""
        self.run([str(self.out / "current/run")])
        self.assert_answers_as(trained, self.out / "report")

    def assert_answers_as(self, trained: Trained, report: Path) -> None:
        """The verdicts of a report are those of one process, sample by sample."""
        with (report / "verdicts.csv").open() as file:
            rows = list(csv.DictReader(file))
        whole = run_inprocess(trained.bundle, trained.samples.views)
        names = trained.bundle.topology.classes
        exits = ("local", "cloud")
        assert [(row["predicted"], row["exit"], row["degraded"]) for row in rows] == [
            (names[k], exits[e], "0") for k, e in zip(whole.predicted_N, whole.exit_N, strict=True)
        ]
        assert set(whole.exit_N) == {0, 1}

    def current(self, host: str) -> str:
        return os.readlink(self.place(host) / "current")

    def nodes(self, host: str) -> list[str]:
        """Process ids and command lines of the host's nodes."""
        return node_processes(self.place(host) / "versions", "pid=,")

    def is_up(self) -> bool:
        """Whether all hosts' nodes run, as `ddnn status` sees it."""
        said = self.run([sys.executable, "-m", "ddnn", "status", str(self.out), "--json"], None)
        return not json.loads(said)["differs"]

    def status(self, code: int = 0) -> dict:
        return json.loads(self.ddnn("status", self.out, "--json", code=code))

    @contextlib.contextmanager
    def following(self, *options: str) -> Iterator["Follower"]:
        """`ddnn logs --follow` on the operator's host."""
        log = self.folder / "followed.log"
        ddnn = [sys.executable, "-m", "ddnn", "logs", "--follow", *options, str(self.out)]
        process = self._net.start("site", log, "env", "--default-signal=INT", *ddnn)
        yield Follower(process, log)

    def followers(self) -> list[tuple[int, int, str]]:
        """What follows on the hosts: process, its parent, its command line."""
        listed = subprocess.run(
            ["ps", "-eww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        lines = [line.split(None, 2) for line in listed.stdout.splitlines()]
        return [
            (int(pid), int(parent), args)
            for pid, parent, args in lines
            if '"step": "follow"' in args and str(self.folder) in args
        ]

    def session_of_follower(self, host: str) -> int:
        """sshd's process for what follows on a host."""
        found = {pid: parent for pid, parent, args in self.followers() if f"/on/{host}" in args}
        return next(parent for parent in found.values() if parent not in found)

    def close(self) -> None:
        for host in self._sshds:
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.place(host) / "supervisor.pid").read_text().split()[0])
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not self.nodes("north") and not self.nodes("cloud"))
