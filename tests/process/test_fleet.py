"""Two sites on one cloud process: what happens to one costs the other nothing.

Axes: N samples, V views.
"""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from launched import Commands, on_two_hosts, write_card
from networks import Trained, Trainer
from ports import free_endpoints
from waiting import wait_until

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.run.outcome import Outcome, link_counts
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

pytestmark = pytest.mark.process
SAMPLES, ROUNDS = 60, 10
TESTS = Path(__file__).parents[1]


class Sites(Commands):
    """`north` and `south`: the devices and gateway of each, and one cloud process for both."""

    def __init__(self, folder: Path, train: Trainer, **security: bool) -> None:
        super().__init__(folder)
        document = on_two_hosts(seconds=10, **security)
        self.trained: Trained = train(Topology.model_validate(document), SAMPLES)
        self.bundles = {name: self._place(document, name) for name in ("north", "south")}
        self.whole = run_inprocess(self.trained.bundle, self.trained.samples.views)

    def _place(self, document: dict[str, Any], name: str) -> Bundle:
        topology = Topology.model_validate(document | {"name": name})
        topology = topology.with_endpoints(free_endpoints(topology))
        return place_bundle(self.trained.bundle.folder, topology, self.folder / name)

    def serve(self, **south: Any) -> subprocess.Popen[bytes]:
        """The cloud of both; south: what its line in the fleet file says beside its bundle."""
        lines = "".join(f", {key}: {value}" for key, value in south.items())
        self.write_file(north="", south=lines)
        process = self.start("cloud.log", "-m", "ddnn", "fleet", "fleet.yaml", "cloud")
        wait_until(lambda: self.said().count("cloud listens at") == 2 or process.poll())
        return process

    def write_file(self, **lines: str) -> None:
        """The fleet's file: these sites, and what is said of each beside bundle and keys."""
        sites = (f"  {n}: {{bundle: {n}{self._keys(n)}{line}}}\n" for n, line in lines.items())
        (self.folder / "fleet.yaml").write_text("sites:\n" + "".join(sites))

    def _keys(self, name: str) -> str:
        return f", keys: keys-{name}" if (self.folder / f"keys-{name}").exists() else ""

    def said(self, log: str = "cloud.log") -> str:
        return super().said(log)

    def reload(self, cloud: subprocess.Popen[bytes], said: str) -> None:
        """Returns once it says that again."""
        before = self.said().count(said)
        cloud.send_signal(signal.SIGHUP)
        wait_until(lambda: self.said().count(said) > before or cloud.poll() is not None)

    def launch(
        self, name: str, progress: Callable[[int], None] = lambda _: None, **options: Any
    ) -> Outcome:
        keys = self.folder / f"keys-{name}"
        chosen = Options(host="site", keys=keys if keys.exists() else None, **options)
        watcher = Watcher(progress=progress)
        return launch(self.bundles[name], self.trained.samples, chosen, watcher)

    def check(self, outcome: Outcome, rounds: int = 1) -> None:
        """Every sample was answered, by whom and as one process answers it."""
        assert outcome.report["answered"] == rounds * SAMPLES
        assert outcome.report["degraded"] == 0
        for name in ("predicted_N", "exit_N", "present_NV"):
            wanted = np.concatenate([getattr(self.whole, name)] * rounds)
            np.testing.assert_array_equal(getattr(outcome.verdicts, name), wanted)


@pytest.fixture
def sites(tmp_path: Path, train: Trainer) -> Iterator[Sites]:
    found = Sites(tmp_path, train)
    yield found
    found.close()


def test_sites_run_at_once_and_again_with_counts_of_their_own(sites):
    cloud = sites.serve(weight=2)
    outcomes: dict[str, Outcome] = {}
    threads = [
        threading.Thread(target=lambda n=n, r=r: outcomes.update({n: sites.launch(n, rounds=r)}))
        for n, r in (("north", 1), ("south", ROUNDS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes["again"] = sites.launch("north")
    for name, rounds in (("north", 1), ("south", ROUNDS), ("again", 1)):
        sites.check(outcomes[name], rounds)
        report = outcomes[name].report["bytes"]
        assert report["kernel"]["difference"] == 0
        counted = {
            (e["from"], e["to"], e["kind"]): (e["rows"], e["payload"])
            for e in report["links"]
            if e["data"]
        }
        assert counted == {
            (*c.link, c.kind.name.lower()): (rounds * c.rows, rounds * c.payload)
            for c in link_counts(sites.whole.accounts)
            if c.kind.is_data
        }
    cloud.send_signal(signal.SIGTERM)
    assert cloud.wait(60) == 0


def test_a_flood_of_one_site_costs_the_other_nothing(sites):
    sites.serve()
    flood = sites.start("flood.log", str(TESTS / "flooding.py"), str(sites.folder / "south"))
    wait_until(lambda: "joined" in sites.said("flood.log") or flood.poll())
    sites.check(sites.launch("north", rounds=ROUNDS), ROUNDS)
    assert flood.poll() is None
    flood.kill()
    flood.wait()
    sites.check(sites.launch("south"))  # and it gets in again


def test_a_limit_of_one_site_is_its_own(sites):
    sites.serve(samples_per_s=1)
    sites.check(sites.launch("north", rounds=ROUNDS), ROUNDS)
    flood = sites.start("flood.log", str(TESTS / "flooding.py"), "south", "400")
    assert flood.wait(60) == 0
    events = json.loads(sites.said("flood.log").splitlines()[-1])
    assert events["over-budget"] > 100  # the rest may still be on its way


def test_a_site_whose_collector_is_killed_costs_the_other_nothing_and_comes_back(sites):
    cloud = sites.serve()
    samples = sites.trained.samples
    command = ["-m", "ddnn", "launch", "south", "--host", "site", "--join", "--rounds", "1000"]
    crashed = sites.start("south.log", *command, *write_card(sites.folder, samples))
    wait_until(lambda: "nodes ready" in sites.said("south.log") or crashed.poll())
    wait_until(lambda: "south: takes part" in sites.said())
    killed: list[int] = []
    outcome = launch(
        sites.bundles["north"],
        samples,
        Options(host="site", rounds=ROUNDS, window=4),
        Watcher(progress=lambda n: killed.append(n) or (n > SAMPLES and crashed.kill())),
    )
    crashed.wait()
    sites.check(outcome, ROUNDS)
    sites.check(sites.launch("south"))
    assert cloud.poll() is None


def test_a_site_that_cannot_be_opened_is_named_and_the_others_are_served(sites):
    (sites.folder / "south" / "manifest.json").write_text("{}")
    sites.folder.joinpath("fleet.yaml").write_text(
        "sites:\n  north: {bundle: north}\n  south: {bundle: south}\n  east: {bundle: north}\n"
    )
    cloud = sites.start("cloud.log", "-m", "ddnn", "fleet", "fleet.yaml", "cloud")
    wait_until(lambda: "east: not served" in sites.said() or cloud.poll())
    assert "south: not served: south/manifest.json" in sites.said()
    assert "is of topology 'north', want one with `name: east`" in sites.said()
    sites.check(sites.launch("north"))


def test_each_site_has_keys_of_its_own(tmp_path, train):
    sites = Sites(tmp_path, train, curve=True)
    try:
        for name, bundle in sites.bundles.items():
            names = (COLLECTOR, *bundle.topology.nodes)
            write_keys(tmp_path / f"keys-{name}", names, make_key_pair)
        sites.serve()
        for name in sites.bundles:
            sites.check(sites.launch(name))
    finally:
        sites.close()


def test_sites_come_and_go_by_sighup_while_another_is_served(tmp_path, train):
    """Each with keys of its own; the one that stays is answered as if nothing happened."""
    sites = Sites(tmp_path, train, curve=True)
    try:
        for name, bundle in sites.bundles.items():
            names = (COLLECTOR, *bundle.topology.nodes)
            write_keys(tmp_path / f"keys-{name}", names, make_key_pair)
        sites.write_file(north="")
        cloud = sites.start("cloud.log", "-m", "ddnn", "fleet", "fleet.yaml", "cloud")
        wait_until(lambda: "north: cloud listens at" in sites.said() or cloud.poll())
        answered: list[int] = []
        outcomes: list[Outcome] = []

        def run() -> None:
            outcomes.append(sites.launch("north", answered.append, rounds=100, rate_hz=500))

        north = threading.Thread(target=run)
        north.start()
        wait_until(lambda: answered and answered[-1] > SAMPLES)
        sites.write_file(north="", south="")
        sites.reload(cloud, "serves north, south")
        sites.check(sites.launch("south"))
        sites.write_file(north=", weight: 2", south=", samples_per_s: 300")
        sites.reload(cloud, "south: cloud listens at")
        sites.check(sites.launch("south"))
        (tmp_path / "fleet.yaml").write_text("sites: {north: {bundel: north}}")
        sites.reload(cloud, "goes on as it was: fleet.yaml: sites.north.bundel")
        sites.write_file(north="")
        sites.reload(cloud, "south: not served any more")
        north.join()
        sites.check(outcomes[0], 100)
        assert sites.said().count("north: cloud listens at") == 1
        sites.write_file(north="", south="")
        sites.reload(cloud, "south: cloud listens at")
        sites.check(sites.launch("south"))
        cloud.send_signal(signal.SIGTERM)
        assert cloud.wait(60) == 0
    finally:
        sites.close()


def test_a_site_whose_new_address_is_taken_is_served_at_the_one_it_has(sites):
    sites.write_file(north="")
    cloud = sites.start("cloud.log", "-m", "ddnn", "fleet", "fleet.yaml", "cloud")
    wait_until(lambda: "north: cloud listens at" in sites.said() or cloud.poll())
    north = sites.bundles["north"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        moved = north.topology.with_endpoints({"cloud": taken})
        place_bundle(north.folder, moved, sites.folder / "moved")
        lines = "sites:\n  north: {bundle: moved}\n"
        (sites.folder / "fleet.yaml").write_text(lines, encoding="utf-8")
        sites.reload(cloud, "north: goes on as it was: cloud: port")
    sites.check(sites.launch("north"))


def test_replicas_of_a_cloud_are_processes_of_their_own(tmp_path, train):
    sites = Sites(tmp_path, train)
    try:
        for name in sites.bundles:
            document = sites.bundles[name].topology.model_dump(mode="json")
            document["nodes"]["cloud"]["replicas"] = 2
            topology = Topology.model_validate(document)
            topology = topology.with_endpoints(free_endpoints(topology))
            placed = place_bundle(sites.trained.bundle.folder, topology, tmp_path / f"{name}-2")
            sites.bundles[name] = load_bundle(placed.folder)
        text = "sites:\n  north: {bundle: north-2}\n  south: {bundle: south-2}\n"
        (tmp_path / "fleet.yaml").write_text(text)
        for node in ("cloud", "cloud-2"):
            sites.start(f"{node}.log", "-m", "ddnn", "fleet", "fleet.yaml", node)
        for name in sites.bundles:
            outcome = sites.launch(name)
            sites.check(outcome)
            assert all(outcome.report["nodes"][n]["received_bytes"] for n in ("cloud", "cloud-2"))
    finally:
        sites.close()
