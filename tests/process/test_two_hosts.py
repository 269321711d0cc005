"""Several hosts, played by several launchers on this machine, over CURVE."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from launched import Commands, on_two_hosts, write_card
from networks import Trained, Trainer
from ports import free_endpoints
from waiting import assert_nothing_is_left, is_free, node_processes, wait_until

from ddnn.bundle.split import split_bundle
from ddnn.errors import LaunchError
from ddnn.run.failures.plan import plan_of
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.control import request
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.run.outcome import Outcome
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

pytestmark = pytest.mark.study
SAMPLES, ROUNDS = 120, 40
SCORE_MS = 5  # two samples at a time take at least 12 s for all rounds


@pytest.fixture(autouse=True)
def control_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


class TwoHosts(Commands):
    """`site` has the collector, devices and gateway; `far` has the cloud, by the command line."""

    def __init__(self, folder: Path, train: Trainer) -> None:
        super().__init__(folder)
        document = on_two_hosts(seconds=5, curve=True)
        document["nodes"]["cam0"]["limits"] = {"memory_mb": 8000}
        document["nodes"]["cloud"]["restart"] = "always"
        document["links"] = [{"from": "cam0", "to": "gateway", "latency_ms": SCORE_MS}]
        topology = Topology.model_validate(document)
        self.topology = topology.with_endpoints(free_endpoints(topology))
        self.trained: Trained = train(self.topology, SAMPLES)
        write_keys(folder / "keys", (COLLECTOR, *self.topology.nodes), make_key_pair)
        split_bundle(self.trained.bundle.folder, ["cloud"], folder / "far")

    def start_far(self, bundle: Path | None = None) -> subprocess.Popen:
        command = ["-m", "ddnn", "launch", bundle or self.folder / "far", "--host", "far"]
        process = self.start("far.log", *command, "--keys", self.folder / "keys")
        wait_until(lambda: "cloud listens at" in self.said() or process.poll() is not None)
        return process

    def said(self, log: str = "far.log") -> str:
        return super().said(log)

    def start_site(self) -> subprocess.Popen:
        """The collector's host by the command line, ready to crash: many rounds."""
        command = ["-m", "ddnn", "launch", self.trained.bundle.folder, "--host", "site", "--join"]
        command += [*write_card(self.folder, self.trained.samples), "--rounds", "1000"]
        keys = ["--keys", self.folder / "keys", "--out", self.folder / "crashed"]
        return self.start("site.log", *command, *keys)

    def launch(
        self, progress: Callable[[int], None] = lambda _answered: None, **options: object
    ) -> Outcome:
        chosen = Options(host="site", keys=self.folder / "keys", **options)
        watcher = Watcher(progress=progress)
        return launch(self.trained.bundle, self.trained.samples, chosen, watcher)


@pytest.fixture
def hosts(tmp_path: Path, train: Trainer) -> Iterator[TwoHosts]:
    found = TwoHosts(tmp_path, train)
    yield found
    found.close()


def test_two_launchers_answer_as_one_process_does_and_end_together(hosts):
    far = hosts.start_far()
    outcome = hosts.launch()
    whole = run_inprocess(hosts.trained.bundle, hosts.trained.samples.views)
    for name in ("predicted_N", "exit_N", "present_NV", "degraded_N"):
        np.testing.assert_array_equal(getattr(outcome.verdicts, name), getattr(whole, name))
    assert far.wait(60) == 0
    assert "cloud was told to stop" in hosts.said()
    nodes = outcome.report["nodes"]
    assert nodes["cloud"]["state"] == "running"
    assert nodes["cloud"]["sent_bytes"] > 0
    assert nodes["cam0"]["limits"]["memory_mb"]["wanted"] == 8000
    assert outcome.report["bytes"]["kernel"]["difference"] == 0
    assert_nothing_is_left(hosts.folder, hosts.topology)
    secrets = [p.read_text().split('"')[-2] for p in (hosts.folder / "keys").glob("*.key")]
    shown = hosts.said() + str(outcome.report)
    assert not [secret for secret in secrets if secret in shown]


def test_whoever_does_not_join_is_named_with_its_host(hosts):
    with pytest.raises(LaunchError, match=r"not ready after 2 s: .*cloud \(host far\)"):
        hosts.launch(ready_s=2)
    assert_nothing_is_left(hosts.trained.bundle.folder, hosts.topology)


def test_a_host_with_another_bundle_is_refused_by_name(hosts, tmp_path):
    other = Trainer(tmp_path / "other")(hosts.topology, SAMPLES + 1)
    far = hosts.start_far(other.bundle.folder)
    with pytest.raises(LaunchError, match=r"cloud runs another bundle \(session \w{6}\), want \w"):
        hosts.launch()
    assert far.poll() is None  # refused, not harmed


def test_a_node_killed_on_its_own_host_is_started_again_there(hosts):
    far = hosts.start_far()
    before = node_processes(hosts.folder, "pid=,")
    request({"node": "cloud", "kind": "kill"}, far.pid)
    wait_until(lambda: "cloud is started again" in hosts.said())
    wait_until(lambda: len(node_processes(hosts.folder)) == 1)
    assert node_processes(hosts.folder, "pid=,") != before
    with pytest.raises(LaunchError, match="cam0: runs on host site, out of reach from here"):
        request({"node": "cam0", "kind": "kill"}, far.pid)
    assert hosts.launch().report["answered"] == SAMPLES


def test_a_host_that_is_launched_again_is_heard_again(hosts):
    """The others remember its nodes, which were started again in the meantime."""
    far = hosts.start_far()
    answered: list[int] = []
    done: list[Outcome] = []

    def run() -> None:
        done.append(hosts.launch(rounds=ROUNDS, window=2, progress=answered.append))

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: answered and answered[-1] > 10)
    request({"node": "cloud", "kind": "kill"}, far.pid)
    wait_until(lambda: "cloud is started again" in hosts.said())
    far.kill()
    far.wait()
    wait_until(lambda: node_processes(hosts.folder / "far") == [])
    hosts.start_far()
    thread.join()
    assert done[0].report["answered"] == ROUNDS * SAMPLES
    assert not done[0].verdicts.degraded_N[-SAMPLES:].any()
    assert done[0].report["nodes"]["cloud"]["state"] == "running"


def test_what_a_node_did_in_a_run_that_crashed_has_no_part_in_the_next(hosts):
    """The cloud outlives the collector: neither its counts nor its features are those of before."""
    far = hosts.start_far()
    site = hosts.start_site()
    wait_until(lambda: "nodes ready" in hosts.said("site.log"))
    site.kill()
    site.wait()
    assert far.poll() is None
    others = [name for name in (COLLECTOR, *hosts.topology.nodes) if name != "cloud"]
    wait_until(lambda: all(is_free(*address(hosts.topology, name)) for name in others))
    outcome = hosts.launch()
    whole = run_inprocess(hosts.trained.bundle, hosts.trained.samples.views)
    for name in ("predicted_N", "exit_N", "present_NV", "degraded_N"):
        np.testing.assert_array_equal(getattr(outcome.verdicts, name), getattr(whole, name))
    to_cloud = {
        (e["from"], e["kind"]): e["rows"]
        for e in outcome.report["bytes"]["links"]
        if e["to"] == "cloud" and e["data"]
    }
    unsure = int((whole.exit_N == 1).sum())
    assert to_cloud == {("cam0", "features"): unsure, ("cam1", "features"): unsure}
    assert far.wait(60) == 0


def address(topology: Topology, name: str) -> tuple[str, int]:
    """Where the node listens: host and port."""
    host, port = topology.endpoint(name).removeprefix("tcp://").split(":")
    return host, int(port)


def test_a_plan_for_a_node_of_another_host_is_refused_before_anything_starts(hosts):
    plan = plan_of(hosts.topology, kills=["cloud@10"])
    with pytest.raises(LaunchError, match=r"cloud: runs on host far, .*`ddnn fault cloud kill`"):
        hosts.launch(plan=plan)
    assert node_processes(hosts.trained.bundle.folder) == []


def test_a_host_ends_with_a_collector_that_gives_up(hosts):
    far = hosts.start_far()

    def give_up(_answered: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hosts.launch(progress=give_up)
    assert far.wait(60) == 0
