"""A live system on two hosts."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trainer, offline
from ports import free_endpoints, free_port
from serving import Running, push, pushed
from waiting import node_processes, wait_until

from ddnn.api.live import live_of
from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import BundleError, ConfigError, LaunchError
from ddnn.live.bundles import check_alike
from ddnn.live.remote import LiveHost
from ddnn.live.service import Service
from ddnn.live.serving import Live
from ddnn.live.sources.file import read_sources
from ddnn.run.launcher.launch import Options, Watcher
from ddnn.topology import Topology

pytestmark = pytest.mark.process
SAMPLES = 60


def on_two_hosts(topology: Topology) -> Topology:
    """Devices but cam1 beside the collector; at ports of its own."""
    document = topology.model_dump(mode="json")
    document["collector"]["host"] = "site"
    for name, node in document["nodes"].items():
        node["host"] = "far" if name == "cam1" else "site"
    found = Topology.model_validate(document)
    return found.with_endpoints(free_endpoints(found))


@contextmanager
def far_host(bundle: Bundle, sources: Path) -> Iterator[subprocess.Popen[str]]:
    """Another host's `ddnn serve`."""
    command = [
        *(sys.executable, "-m", "ddnn", "serve", str(bundle.folder)),
        *("--host", "far", "--sources", str(sources)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as far:
        try:
            yield far
        finally:
            far.kill()


def asked_to_swap(pid: int, run: Path) -> tuple[int, str]:
    """By the command: how it ended, and what it said."""
    command = [sys.executable, "-m", "ddnn", "serve", "--swap", str(run), "--pid", str(pid)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=90)
    return done.returncode, done.stderr


def test_another_bundle_takes_over_on_two_hosts_at_one_sample(train: Trainer, tmp_path):
    """Nothing changes where a host lacks it, or a node cannot start."""
    topology = patient(star_topology(2), seconds=10)
    one = train(on_two_hosts(topology), SAMPLES)
    other = Trainer(tmp_path / "other")(on_two_hosts(topology), SAMPLES + 1)
    ports, paths = {"cam0": free_port(), "cam1": free_port()}, {}
    for host, name in (("site", "cam0"), ("far", "cam1")):
        paths[host] = tmp_path / f"{host}.yaml"
        source = f"{{kind: push, listen: '127.0.0.1:{ports[name]}'}}"
        head = "sample: {every_ms: 20}\nmatch_ms: 30000"
        paths[host].write_text(f"{head}\ndevices: {{{name}: {source}}}\n")
    live = live_of(one.bundle, paths["site"], "site")
    view_CHW = one.samples.views_NVCHW[0, 0]
    service = Service(one.bundle, live, Options(host="site"), Watcher())
    with far_host(one.bundle, paths["far"]) as far, Running(service) as running:
        for name, port in ports.items():
            push(port, name, view_CHW)
        running.until(lambda r: r.verdicts and r.verdicts[-1]["present"] == "11")
        with pytest.raises(LaunchError, match=r"cam1 \(host far\): nobody at .* on that host"):
            service.swap(other.bundle.folder)
        code, said = asked_to_swap(far.pid, tmp_path / "none")
        assert (code, said.count("\n")) == (1, 1)
        assert "want a whole bundle" in said
        assert asked_to_swap(far.pid, other.bundle.folder)[0] == 0
        section, gone = other.bundle.section_path("cam0"), tmp_path / "gone"
        section.rename(gone)
        with pytest.raises(BundleError):
            service.swap(other.bundle.folder)
        gone.rename(section)
        first = service.swap(other.bundle.folder)
        wait_until(lambda: node_processes(one.bundle.folder) == [])
        for name, port in ports.items():
            wait_until(partial(pushed, port, name, view_CHW))
        running.until(
            lambda r: any(v["sample"] > first + 5 and v["present"] == "11" for v in r.verdicts)
        )
        service.stop()
        assert far.wait(60) == 0
    running.assert_none_is_lost()
    begun = [e["bundle_sha256"] for e in running.others if e["kind"] == "begin"]
    assert begun == [one.bundle.sha256, other.bundle.sha256]
    assert node_processes(other.bundle.folder) == []


def test_the_ports_of_what_runs_are_refused_on_several_hosts(train: Trainer):
    bundle = train(on_two_hosts(patient(star_topology(2))), SAMPLES).bundle
    with pytest.raises(ConfigError, match=r"collector at .* is used by what runs"):
        check_alike(bundle.topology, bundle.topology, "site")


def test_another_hosts_thresholds_are_taken_by_a_signal(tmp_path):
    """The gateway, whose exit decides, is on the other host."""
    document = on_two_hosts(patient(star_topology(2), seconds=10)).model_dump(mode="json")
    document["nodes"]["gateway"]["host"] = "far"
    topology = Topology.model_validate(document)
    trained = Trainer(tmp_path / "own")(topology, SAMPLES)
    paths = {host: tmp_path / f"{host}.yaml" for host in ("site", "far")}
    for path, name in zip(paths.values(), ("cam0", "cam1"), strict=True):
        path.write_text(f"sample: {{every_ms: 5}}\ndevices: {{{name}: {{kind: recorded}}}}\n")
    views = trained.samples.views_NVCHW
    np.save(tmp_path / "views.npy", views)
    live = Live(
        path=paths["site"],
        sources=read_sources(paths["site"], topology, ("cam0",)),
        recorded={"cam0": views[:, 0]},
    )
    far_live = replace(live, path=paths["far"], recorded={"cam1": views[:, 1]})
    said: list[str] = []
    watcher = Watcher(say=said.append)
    path, manifest = trained.bundle.folder / "manifest.json", trained.bundle.manifest
    rules = manifest.exits | {"local": ExitRule(threshold=1.0)}
    with LiveHost(trained.bundle, far_live, Options(host="far"), watcher) as far:
        turning = threading.Thread(target=far.wait)
        turning.start()
        service = Service(trained.bundle, live, Options(host="site"), Watcher())
        with Running(service) as running:
            running.until(lambda r: {v["exit"] for v in r.verdicts} == {"local", "cloud"})
            path.write_bytes(manifest.model_copy(update={"exits": rules}).to_bytes())
            far.reload()
            wait_until(lambda: any("thresholds from now on" in line for line in said))
            first = len(running.verdicts) + 100
            running.until(lambda r: len(r.verdicts) > first + 2 * SAMPLES)
        turning.join(60)
    assert {v["exit"] for v in running.verdicts if v["sample"] > first} == {"local"}


def test_each_host_has_its_own_sources(train: Trainer, tmp_path):
    trained = train(on_two_hosts(patient(star_topology(2), seconds=10)), SAMPLES)
    paths, ports = {}, {"cam0": free_port(), "cam1": free_port()}
    for host, name in (("site", "cam0"), ("far", "cam1")):
        paths[host] = tmp_path / f"{host}.yaml"
        source = f"{{kind: push, listen: '127.0.0.1:{ports[name]}'}}"
        paths[host].write_text(f"match_ms: 30000\ndevices: {{{name}: {source}}}\n")
    with far_host(trained.bundle, paths["far"]) as far:
        live = live_of(trained.bundle, paths["site"], "site")
        with Running(Service(trained.bundle, live, Options(host="site"), Watcher())) as running:
            for name, port in ports.items():
                push(port, name, trained.samples.views_NVCHW[3, int(name[-1])])
            number = running.service.sample()
            running.until(lambda r: r.verdicts)
        assert "cam1 was told to stop" in far.communicate(timeout=60)[1]
    (verdict,) = running.verdicts
    assert (verdict["sample"], verdict["present"]) == (number, "11")
    assert verdict["class"] == offline(*trained).predicted_N[3]
