"""The commands of docker-compose.yaml, run as plain processes that know each other by name."""

import csv
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from builders import patient, star_topology
from networks import Trainer
from ports import free_endpoints
from waiting import node_processes

from ddnn.bundle.compose import MOUNT, compose_folder
from ddnn.run.inprocess import run_inprocess
from ddnn.wire.zeromq import make_key_pair

SAMPLES = 40
pytestmark = [
    pytest.mark.study,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux's `unshare`"),
    pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="needs root"),
]


def start(name: str, service: dict, folder: Path, hosts: Path) -> subprocess.Popen:
    """The service's command, in a mount namespace of its own where service names are this
    machine's; its volume's folder in place of the mount point."""
    arguments = [part.replace(MOUNT, str(folder / name)) for part in service["command"]]
    command = shlex.join([sys.executable, "-m", "ddnn", *arguments])
    script = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec {command}"
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], stdout=log, stderr=subprocess.STDOUT
        )


def can_mount(hosts: Path) -> bool:
    script = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], check=False)
    return done.returncode == 0


def test_the_services_commands_answer_every_sample_over_curve(tmp_path):
    topology = patient(star_topology(2, security={"curve": True}))
    topology = topology.with_endpoints(free_endpoints(topology))
    trained = Trainer(tmp_path / "trained")(topology, SAMPLES)
    folder, hosts = tmp_path / "out", tmp_path / "hosts"
    compose_folder(trained.bundle.folder, trained.samples, folder, make_key_pair)
    services = yaml.safe_load((folder / "docker-compose.yaml").read_text())["services"]
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *services)))
    if not can_mount(hosts):
        pytest.skip("no mount namespaces here")
    started = {name: start(name, services[name], folder, hosts) for name in services}
    try:
        for name, process in started.items():
            assert process.wait(60) == 0, (folder / f"{name}.log").read_text()
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    assert node_processes(tmp_path) == []
    with (folder / "collector/report/verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = run_inprocess(trained.bundle, trained.samples.views)
    assert [row["predicted"] for row in rows] == [topology.classes[k] for k in wanted.predicted_N]
    assert {row["exit"] for row in rows} == {"local", "cloud"}
    assert {row["degraded"] for row in rows} == {"0"}
