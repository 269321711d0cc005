"""Network namespaces that a test makes: hosts of their own addresses, joined by a switch."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

NEEDED = [
    pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2's `ip`"),
    pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="needs root"),
]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Net:
    """A switch and a namespace a host, each with one address, by host."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self._addresses = addresses
        self._prefix = f"ddnn{os.getpid()}"
        self._made: list[str] = []
        self._running: list[subprocess.Popen] = []

    def name(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def build(self) -> None:
        switch = self._add("switch")
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for host, address in self._addresses.items():
            own = self._add(host)
            ip("link", "add", host, "netns", switch, "type", "veth", "peer", "eth0", "netns", own)
            ip("-n", switch, "link", "set", host, "master", "bridge", "up")
            ip("-n", own, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-n", own, "link", "set", "eth0", "up")

    def _add(self, host: str) -> str:
        ip("netns", "add", self.name(host))
        self._made.append(self.name(host))
        ip("-n", self.name(host), "link", "set", "lo", "up")
        return self.name(host)

    def cut(self, host: str) -> None:
        ip("-n", self.name(host), "link", "set", "eth0", "down")

    def heal(self, host: str) -> None:
        ip("-n", self.name(host), "link", "set", "eth0", "up")

    def run(self, host: str, log: Path, *arguments: str) -> subprocess.Popen:
        """Python with these arguments, as a host's process."""
        return self.start(host, log, sys.executable, *arguments)

    def start(self, host: str, log: Path, *command: str) -> subprocess.Popen:
        """A process of a host's, until `remove`."""
        command = ("ip", "netns", "exec", self.name(host), *command)
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        self._running.append(process)
        return process

    def remove(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in reversed(self._made):
            ip("netns", "del", name)


def built(addresses: dict[str, str]) -> Iterator[Net]:
    """For a fixture: the hosts, until the test is over."""
    found = Net(addresses)
    try:
        found.build()
    except subprocess.CalledProcessError as error:
        found.remove()
        pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
    yield found
    found.remove()
