"""A first deployment that is interrupted or killed in the middle, and the same command again."""

import os
import signal
import subprocess
import sys

import pytest
from deployed import MARKS, Fleet
from launched import write_card
from waiting import wait_until

pytest.importorskip("asyncssh", reason="needs asyncssh")
pytestmark = MARKS


class Held(Fleet):
    """Its host `cloud` waits before a step until it may go on."""

    def hold(self, step: str) -> None:
        python, self.mark, self.go = (self.folder / name for name in ("python", "mark", "go"))
        waits = f"touch {self.mark}; while [ ! -e {self.go} ]; do sleep 0.02; done"
        python.write_text(
            f'#!/bin/sh\ncase "$*" in *\'"{step}"\'*) {waits};; esac\nexec {sys.executable} "$@"\n'
        )
        python.chmod(0o755)
        text = self.hosts.read_text()
        self.hosts.write_text(text.replace("cloud: {", f"cloud: {{python: {python}, "))

    def command(self) -> list[str]:
        card = write_card(self.folder, self.first.samples)
        ddnn = [sys.executable, "-m", "ddnn", "deploy", "ssh", str(self.first.bundle.folder)]
        return [*ddnn, "--hosts", str(self.hosts), *map(str, card), "--out", str(self.out)]

    def begin(self) -> subprocess.Popen[bytes]:
        """`ddnn deploy ssh`, until it waits."""
        log = self.folder / "begun.log"
        process = self._net.start(
            "site", log, "setsid", "env", "--default-signal=INT", *self.command()
        )
        wait_until(self.mark.exists)
        return process


@pytest.fixture
def held(net, tmp_path):
    found = Held(net, tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("step", ["receive", "switch"])
def test_one_that_is_interrupted_leaves_nothing_and_can_be_repeated(held: Held, step):
    held.hold(step)
    process = held.begin()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's
    held.go.touch()
    assert process.wait(60) == 1
    assert (held.folder / "begun.log").read_text() == "ddnn: interrupted; nothing is changed\n"
    assert not held.out.exists()
    assert [os.path.lexists(held.place(host) / "current") for host in ("north", "cloud")] == [0, 0]
    assert "have version 0001-" in held.deploy()


@pytest.mark.parametrize("step", ["receive", "switch"])
def test_one_that_is_killed_can_be_repeated(held: Held, step):
    held.hold(step)
    process = held.begin()
    process.kill()
    process.wait()
    assert [line for line in held.status(code=1)["differs"] if "broke off" in line]
    assert "broke off, want it once more" in held.ddnn("deploy", "start", held.out, code=1)
    held.go.touch()
    last = held.place("cloud") / ("current" if step == "switch" else "versions")
    wait_until(lambda: os.path.lexists(last))  # what goes on there has come to its end, nearly
    said = [""]

    def is_deployed() -> bool:
        said.append(held.run(held.command(), None))
        return "just deploys here" not in said[-1]

    wait_until(is_deployed, 60)
    assert "have version 000" in said[-1]
    version = f"versions/{held.status(code=1)['version']}"
    assert held.current("north") == held.current("cloud") == version
    held.ddnn("deploy", "start", held.out)
    held.assert_a_run_answers_as(held.first)
