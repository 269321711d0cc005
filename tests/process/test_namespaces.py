"""Hosts with network stacks of their own, joined by a switch, over CURVE. All of it in namespaces
that the test makes and takes away; needs root and iproute2."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import star
from networks import Trainer
from spaces import NEEDED, Net, built
from waiting import node_processes, wait_until

from ddnn.bundle.split import split_bundle
from ddnn.run.hosts import nodes_of_host
from ddnn.run.inprocess import run_inprocess
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

pytestmark = [pytest.mark.study, *NEEDED]

ADDRESSES = {"north": "10.77.0.1", "south": "10.77.0.2", "site": "10.77.0.3", "cloud": "10.77.0.4"}
HOSTS = {"cam0": "north", "cam1": "south", "gateway": "site", "edge0": "site", "cloud": "cloud"}
SAMPLES, ROUNDS = 100, 17
CUT, HEALED = 150, 650
DRIVER = """
import json, os, sys
from pathlib import Path
import numpy as np
from ddnn.bundle.load import load_bundle
from ddnn.data.multiview import MultiView
from ddnn.run.hosts import nodes_of_host
from ddnn.run.launcher.launch import launch
from ddnn.run.outcome import write_outcome
from ddnn.run.launcher.start import Options, Watcher
from ddnn.run.launcher.remote_host import serve_host
folder, host, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
bundle = load_bundle(folder / host, nodes_of_host(load_bundle(folder / host, ()).topology, host))
data = np.load(folder / "views.npz")
samples = MultiView(views=data["X"], labels_NV=data["y"], classes=bundle.topology.classes)
options = Options(host=host, keys=folder / f"{host}-keys", rounds=rounds, window=4)
def progress(answered):
    (folder / "progress.new").write_text(str(answered))
    os.replace(folder / "progress.new", folder / "progress")
watcher = Watcher(say=lambda line: print(line, flush=True), progress=progress)
if host == bundle.topology.collector.host:
    write_outcome(folder / "report", launch(bundle, samples, options, watcher))
else:
    serve_host(bundle, samples, options, watcher)
"""


@pytest.fixture
def net() -> Iterator[Net]:
    yield from built(ADDRESSES)


def four_hosts() -> Topology:
    """Two cameras, an edge site with the gateway, a cloud. 20 ms a score: a run of seconds."""
    document = star(2)
    section = document["tiers"][1]["section"]
    edge = {"name": "edge", "section": section, "exit": {"at": "edge0", "threshold": 0.8}}
    document["tiers"].insert(1, edge)
    document["nodes"]["edge0"] = {"role": "edge", "parent": "cloud"}
    for number, (name, node) in enumerate(document["nodes"].items()):
        node["host"] = HOSTS[name]
        node["endpoint"] = f"tcp://{ADDRESSES[HOSTS[name]]}:{6000 + number}"
        if node["role"] == "device":
            node["parent"] = "edge0"
    document["collector"] = {"endpoint": "tcp://10.77.0.3:5999", "host": "site", "answer_ms": 3000}
    for number, tier in enumerate(document["tiers"]):
        tier["deadline_ms"] = tier["exit"]["deadline_ms"] = 1000 + number
    document["links"] = [
        {"from": cam, "to": "gateway", "latency_ms": 20} for cam in ("cam0", "cam1")
    ]
    document["heartbeat"] = {"interval_ms": 100, "patience": 10}
    document["security"] = {"curve": True}
    return Topology.model_validate(document)


class Hosts:
    """A launcher on each host, with the host's part of the bundle and its own keys."""

    def __init__(self, net: Net, folder: Path) -> None:
        self.topology = four_hosts()
        self.trained = Trainer(folder / "trained")(self.topology, SAMPLES)
        self._folder = folder
        samples = self.trained.samples
        np.savez(folder / "views.npz", X=samples.views_NVCHW, y=samples.labels_NV)
        write_keys(folder / "keys", (COLLECTOR, *self.topology.nodes), make_key_pair)
        for host in ADDRESSES:
            self._equip(host)
        arguments = {host: (str(folder), host, str(ROUNDS)) for host in ADDRESSES}
        self.started = {
            host: net.run(host, folder / f"{host}.log", "-c", DRIVER, *arguments[host])
            for host in ADDRESSES
        }

    def _equip(self, host: str) -> None:
        nodes = nodes_of_host(self.topology, host)
        split_bundle(self.trained.bundle.folder, nodes, self._folder / host)
        own = [*nodes, *([COLLECTOR] if host == self.topology.collector.host else [])]
        keys = self._folder / f"{host}-keys"
        keys.mkdir(mode=0o700)
        for file in ("public.json", *(f"{name}.key" for name in own)):
            shutil.copy(self._folder / "keys" / file, keys / file)

    def said(self, host: str) -> str:
        return (self._folder / f"{host}.log").read_text()

    def answered(self, count: int) -> bool:
        assert self.started["site"].poll() in (None, 0), self.said("site")
        progress = self._folder / "progress"
        return progress.exists() and int(progress.read_text()) >= count

    def has_ended(self, host: str) -> bool:
        return self.started[host].poll() is not None

    def rows(self) -> list[dict[str, str]]:
        with (self._folder / "report/verdicts.csv").open() as file:
            return list(csv.DictReader(file))


def test_hosts_with_their_own_network_answer_every_sample_while_one_is_cut_off(net, tmp_path):
    hosts = Hosts(net, tmp_path)
    wait_until(lambda: hosts.answered(CUT))
    net.cut("cloud")
    wait_until(lambda: hosts.answered(HEALED))
    net.heal("cloud")
    for host in ("site", "north", "south", "cloud"):
        wait_until(lambda h=host: hosts.has_ended(h))
        assert hosts.started[host].returncode == 0, hosts.said(host)
    for node, host in HOSTS.items():
        assert host == "site" or f"{node} was told to stop" in hosts.said(host)
    assert node_processes(tmp_path) == []
    rows = hosts.rows()
    assert [int(row["sample"]) for row in rows] == list(range(SAMPLES * ROUNDS))
    assert_whole_answers_equal(rows, hosts)


def assert_whole_answers_equal(rows: list[dict[str, str]], hosts: Hosts) -> None:
    """Answers are those of one process; without the cloud, those it would give are degraded."""
    whole = run_inprocess(hosts.trained.bundle, hosts.trained.samples.views)
    assert set(np.unique(whole.exit_N)) == {0, 1, 2}
    degraded_N = np.array([row["degraded"] == "1" for row in rows])
    assert degraded_N[CUT:HEALED].sum() > 20
    assert (np.tile(whole.exit_N, ROUNDS)[degraded_N] == 2).all()
    after_N = np.arange(len(rows)) > np.flatnonzero(degraded_N)[-1]
    assert (np.tile(whole.exit_N, ROUNDS)[after_N] == 2).sum() > 20, "the cloud came back too late"
    for number in np.flatnonzero(~degraded_N):
        wanted = number % SAMPLES
        answer = hosts.topology.classes[whole.predicted_N[wanted]]
        exit_name = ("local", "edge", "cloud")[whole.exit_N[wanted]]
        assert (rows[number]["predicted"], rows[number]["exit"]) == (answer, exit_name)
