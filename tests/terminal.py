"""A user's terminal: a launch that runs in it, and what others do to that launch."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders import star_topology
from networks import Trained
from waiting import wait_until

from ddnn.topology import Topology

SAMPLES = 300
SLOW_LINK = {"from": "cam1", "to": "gateway", "latency_ms": 20}
TOPOLOGY = star_topology(2, links=[SLOW_LINK])
"""One after the other, samples take six seconds at least: time for one command to a launch."""
FOR_LONG = ("--rounds", "100000")
"""For as many commands as there are, however slow the machine: `Session.stop` ends it."""


def _as_in_a_terminal() -> None:
    """Signals end a process, also where the tests run in the background or under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Session:
    """A user's terminal: a bundle, a card, and the launch that runs."""

    folder: Path
    trained: Trained
    topology: Topology
    process: subprocess.Popen[str] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ddnn", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"XDG_RUNTIME_DIR": str(self.folder), "TMPDIR": str(self.folder)}

    def launch(self, *options: str, redirect: str = "") -> subprocess.Popen[str]:
        """redirect: as a shell has it."""
        bundle, card = str(self.trained.bundle.folder), str(self.folder / "card.yaml")
        command = self.command(
            "launch",
            bundle,
            "--data",
            card,
            "--split",
            "all",
            "--window",
            "1",
            "--out",
            str(self.folder / "out"),
            *options,
        )
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" {redirect}', "sh", *command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_as_in_a_terminal,  # noqa: PLW1509 - no thread of these tests starts one
        )  # fmt: skip
        return self.process

    def wait_running(self) -> None:
        """Until samples are on their way: the control socket is there."""
        wait_until(lambda: list(self.folder.glob("ddnn/*.sock")) or self.process.poll() is not None)
        if self.process.poll() is not None:
            out, err = self.process.communicate()
            raise AssertionError(f"ended with {self.process.returncode}: {err[-500:]} {out[-500:]}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def finish(self, deadline_s: float = 60) -> tuple[int, str, str]:
        assert self.process is not None
        out, err = self.process.communicate(timeout=deadline_s)
        return self.process.returncode, out, err

    def stop(self) -> dict[str, Any]:
        """As Ctrl-C does; the report of what was answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        code, _, err = self.finish()
        assert code == 1, err
        return json.loads((self.folder / "out/report.json").read_text())

    def verdicts(self) -> list[str]:
        """Lines that are whole."""
        return (self.folder / "out/verdicts.csv").read_text().split("\n")[1:-1]

    def present(self) -> list[str]:
        """Of each verdict that is written, a digit a device."""
        return [line.split(",")[5] for line in self.verdicts()]
