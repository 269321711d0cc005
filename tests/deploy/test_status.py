"""What runs on this machine tells of itself, and what differs is named."""

import threading
from pathlib import Path
from typing import Any

import pytest
from builders import star_topology
from networks import Trainer
from waiting import wait_until

from ddnn.bundle.load import Bundle
from ddnn.deploy.status import _parsed, local_logs, local_status
from ddnn.errors import ConfigError
from ddnn.run.launcher.about import about
from ddnn.run.launcher.control import ControlServer
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.topology import Topology


@pytest.fixture(autouse=True)
def control_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


class Answering:
    """Control sockets that answer until the block is left."""

    def __init__(self, *launches: dict[str, Any]) -> None:
        self._servers = [
            ControlServer(lambda _asked: None, lambda _line: None, lambda said=said: said)
            for said in launches
        ]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def _poll(self) -> None:
        while not self._over.wait(0.01):
            for server in self._servers:
                server.poll()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for server in self._servers:
            server.close()


def two_hosts() -> Topology:
    document = star_topology(1).model_dump(mode="json")
    document["nodes"]["cloud"]["host"] = "far"
    return Topology.model_validate(document)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return Trainer(tmp_path_factory.mktemp("trained"))(two_hosts(), 20).bundle


STATES = {"cam0": "running", "gateway": "running", "cloud": "running"}


def test_nothing_that_runs_is_said_so():
    with pytest.raises(ConfigError, match="nothing of yours is running here"):
        local_status()


def test_of_a_node_of_another_host_the_version_is_not_known_here(bundle):
    with Answering(about(bundle, "local", STATES, [])):
        found = local_status()
    assert found["differs"] == []
    assert found["nodes"]["cam0"]["ddnn"] is not None
    assert found["nodes"]["cloud"]["ddnn"] is None
    assert {node["bundle_sha256"] for node in found["nodes"].values()} == {bundle.sha256}


def test_a_host_with_another_bundle_or_version_is_named(bundle):
    site = about(bundle, "local", STATES, [])
    far = about(bundle, "far", {"cloud": "killed"}, [])
    far["nodes"]["cloud"] |= {"bundle_sha256": "f" * 64, "ddnn": "0.0.1"}
    with Answering(site, far):
        differs = local_status()["differs"]
    assert differs == [
        f"host far: runs bundle ffffffffffff, others {bundle.sha256[:12]}",
        f"host far: runs ddnn 0.0.1, others {site['ddnn']}",
        "host far: cloud is killed",
    ]


def test_lines_of_several_launches_come_by_time_and_the_newest_alone(bundle):
    site = about(bundle, "local", STATES, [("1", "left out"), ("2", "b"), ("4", "d")])
    far = about(bundle, "far", {"cloud": "running"}, [("1", "a"), ("3", "c")])
    with Answering(site, far):
        lines = local_logs(2)
    assert [(line.host, line.message) for line in lines] == [
        ("far", "a"), ("local", "b"), ("far", "c"), ("local", "d"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "at"),
    [('{"time": "2", "message": "m"}', "2"), ("m", "1"), ('{"time": "2"}', "1"), ("[]", "1")],
)
def test_what_is_no_json_was_said_when_the_line_before_was(text, at):
    assert _parsed(text, "far", "1").at == at


@pytest.mark.process
def test_a_launch_tells_its_nodes_states_and_what_it_said(tmp_path):
    trained = Trainer(tmp_path / "trained")(star_topology(1), 20)
    options = Options(free_ports=True, rounds=10_000, rate_hz=50, seconds=60)
    failed: list[BaseException] = []
    over = threading.Event()

    def end(_answered: int) -> None:
        if over.is_set():
            raise KeyboardInterrupt

    def run() -> None:
        try:
            launch(trained.bundle, trained.samples, options, Watcher(progress=end))
        except KeyboardInterrupt as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: list((tmp_path / "ddnn").glob("*.sock")))
        found, lines = local_status(), local_logs(100)
    finally:
        over.set()
        thread.join()
    assert {name: node["state"] for name, node in found["nodes"].items()} == STATES
    assert any("nodes ready" in line.message for line in lines)
