"""A new bundle without a gap where hosts have network stacks of their own, over CURVE, by the
commands; and back to the old one where a node of the new one cannot start. In namespaces that the
test makes and takes away; needs root and iproute2."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trained, Trainer
from spaces import NEEDED, Net, built
from test_serve_hosts import asked_to_swap
from waiting import node_processes, wait_until

from ddnn.bundle.split import split_bundle
from ddnn.run.hosts import nodes_of_host
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

pytestmark = [pytest.mark.study, *NEEDED]

ADDRESSES = {"site": "10.79.0.1", "far": "10.79.0.2"}
HOSTS = {"cam0": "site", "cam1": "far", "gateway": "site", "cloud": "far"}
SAMPLES = 60
IN_USE = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))):
    print("in use", flush=True)
    sys.stdin.read()
"""


def topology_at(first_port: int) -> Topology:
    document = patient(star_topology(2, security={"curve": True}), seconds=10)
    document = document.model_dump(mode="json")
    for number, (name, node) in enumerate(document["nodes"].items()):
        node["host"] = HOSTS[name]
        node["endpoint"] = f"tcp://{ADDRESSES[HOSTS[name]]}:{first_port + 1 + number}"
    document["collector"] |= {"endpoint": f"tcp://10.79.0.1:{first_port}", "host": "site"}
    return Topology.model_validate(document)


class TwoHosts:
    """`ddnn serve` on each, with its own part of the bundles, and a recorded camera."""

    def __init__(self, net: Net, folder: Path) -> None:
        self.net, self.folder = net, folder
        self.old = Trainer(folder / "old")(topology_at(6000), SAMPLES)
        self.new = Trainer(folder / "new")(topology_at(7000), SAMPLES + 1)
        write_keys(folder / "keys", (COLLECTOR, *HOSTS), make_key_pair)
        self._write_card(self.old)
        for host in ADDRESSES:
            for name, trained in (("old", self.old), ("new", self.new)):
                nodes = nodes_of_host(trained.bundle.topology, host)
                split_bundle(trained.bundle.folder, nodes, folder / host / name)
        self.far = self.serve("far")
        wait_until(lambda: "cloud listens" in self.said("far"))
        self.site = self.serve("site", "--join", "--verdicts", str(folder / "verdicts.jsonl"))

    def _write_card(self, trained: Trained) -> None:
        samples = trained.samples
        np.savez(self.folder / "views.npz", X=samples.views_NVCHW, y=samples.labels_NV)
        classes = ", ".join(samples.classes)
        (self.folder / "card.yaml").write_text(
            f"kind: npz\npath: views.npz\nclasses: [{classes}]\nsplit: {{by: sample}}\n"
        )

    def serve(self, host: str, *options: str) -> subprocess.Popen:
        device = {"site": "cam0", "far": "cam1"}[host]
        sources = self.folder / f"{host}.yaml"
        card = f"{{kind: recorded, card: {self.folder / 'card.yaml'}, split: all}}"
        sources.write_text(f"sample: {{every_ms: 50}}\ndevices: {{{device}: {card}}}\n")
        command = ["-m", "ddnn", "serve", str(self.folder / host / "old"), "--host", host]
        command += ["--sources", str(sources), "--keys", str(self.folder / "keys"), *options]
        if host == "site":
            command += ["--out", str(self.folder / "out")]
        return self.net.run(host, self.folder / f"{host}.log", *command)

    def said(self, host: str) -> str:
        return (self.folder / f"{host}.log").read_text()

    def swap(self, host: str, process: subprocess.Popen) -> tuple[int, str]:
        return asked_to_swap(process.pid, self.folder / host / "new")

    @contextmanager
    def taken(self, node: str) -> Iterator[str]:
        """In the block, somebody else has the new bundle's port of a node on `site`; gives it."""
        endpoint = self.new.bundle.topology.endpoint(node)
        address, port = endpoint.removeprefix("tcp://").split(":")
        command = ["ip", "netns", "exec", self.net.name("site"), sys.executable, "-c", IN_USE]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([*command, address, port], **pipes) as other:
            other.stdout.readline()
            yield port
            other.stdin.close()

    def verdicts(self) -> list[dict]:
        assert self.site.poll() is None or self.site.returncode == 0, self.said("site")
        path = self.folder / "verdicts.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def goes_on(self) -> None:
        """Until some more samples are answered with both cameras."""
        first = len(self.verdicts())
        wait_until(lambda: sum(v["present"] == "11" for v in self.verdicts()[first:]) > 5)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoHosts]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for net in built(ADDRESSES):
        yield TwoHosts(net, tmp_path)


def test_two_hosts_go_on_with_another_bundle_or_all_stay_with_the_old_one(hosts, tmp_path):
    hosts.goes_on()
    code, said = hosts.swap("site", hosts.site)
    assert (code, said.count("\n")) == (1, 1)  # the other host was not told
    assert "cam1 (host far): nobody at tcp://10.79.0.2:" in said
    hosts.goes_on()

    with hosts.taken("gateway") as port:
        assert hosts.swap("far", hosts.far)[0] == 0
        assert len(node_processes(tmp_path / "far" / "new")) == 2
        code, said = hosts.swap("site", hosts.site)
        assert (code, said.count("\n")) == (1, 1)
        assert f"port {port} is in use" in said
        wait_until(lambda: node_processes(tmp_path / "far" / "new") == [])  # none waits any more
    hosts.goes_on()

    assert hosts.swap("far", hosts.far)[0] == 0
    code, said = hosts.swap("site", hosts.site)
    assert code == 0, said
    first = int(said.split("answers from sample ")[1].split()[0])
    wait_until(lambda: node_processes(tmp_path / "far" / "old") == [])
    hosts.goes_on()
    os.kill(hosts.site.pid, 2)
    assert (hosts.site.wait(60), hosts.far.wait(60)) == (0, 0)
    numbers = sorted(v["sample"] for v in hosts.verdicts())
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] > first
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["bundle_sha256"] == hosts.new.bundle.sha256
    assert report["bytes"]["kernel"]["difference"] == 0
