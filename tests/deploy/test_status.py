"""What runs on this machine tells of itself, and what differs is named."""

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
from builders import star_topology
from networks import Trainer
from waiting import wait_until

from ddnn.bundle.load import Bundle
from ddnn.deploy.logs import Line, follow_local, local_logs
from ddnn.deploy.status import local_status
from ddnn.errors import ConfigError
from ddnn.run.launcher.about import about
from ddnn.run.launcher.control import ControlServer, request
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


@pytest.mark.parametrize("topology", ["another", "star"])
def test_nodes_of_one_name_in_two_launches_hide_nothing_of_each_other(bundle, topology):
    fine = about(bundle, None, STATES, [])
    hurt = about(bundle, None, STATES | {"cam0": "killed"}, []) | {"topology": topology}
    with Answering(fine, hurt):
        found = local_status()
    assert len(found["nodes"]) == 2 * len(STATES)
    assert [" is killed" in line for line in found["differs"]] == [True]


def test_lines_of_several_launches_come_by_time_and_the_newest_alone(bundle):
    site = about(bundle, "local", STATES, [("1", "left out"), ("2", "b"), ("4", "d")])
    far = about(bundle, "far", {"cloud": "running"}, [("1", "a"), ("3", "c")])
    with Answering(site, far):
        lines = local_logs(2)
    assert [(line.host, line.message) for line in lines] == [
        ("far", "a"), ("local", "b"), ("far", "c"), ("local", "d"),
    ]  # fmt: skip


class Launched:
    """A launch in a thread, which goes on until the block is left or `over` is set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trained = Trainer(folder / "trained")(star_topology(1), 20)
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        options = Options(free_ports=True, rounds=10_000, rate_hz=50, seconds=60)
        with contextlib.suppress(KeyboardInterrupt):
            launch(
                self._trained.bundle, self._trained.samples, options, Watcher(progress=self._end)
            )

    def _end(self, _answered: int) -> None:
        if self.over.is_set():
            raise KeyboardInterrupt

    def __enter__(self) -> "Launched":
        self._thread.start()
        wait_until(lambda: list((self._folder / "ddnn").glob("*.sock")))
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join()


@pytest.mark.process
def test_a_launch_tells_its_nodes_states_and_what_it_said(tmp_path):
    with Launched(tmp_path):
        found, lines = local_status(), local_logs(100)
    assert {name: node["state"] for name, node in found["nodes"].items()} == STATES
    assert any("nodes ready" in line.message for line in lines)


@pytest.mark.process
def test_a_launch_is_followed_until_it_ends(tmp_path):
    told: list[Line] = []
    with Launched(tmp_path) as launched:
        follower = threading.Thread(target=follow_local, args=(100, told.append))
        follower.start()
        wait_until(lambda: any("nodes ready" in line.message for line in told))
        request({"node": "cam0", "kind": "kill"})
        wait_until(lambda: any(line.message.startswith("cam0: kill before") for line in told))
        launched.over.set()
        follower.join()
    assert told[-1].message == "runs no more"
    assert len(told) == len(set(told))
