"""A live system with real processes: it goes on whatever its cameras do."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trained, Trainer, offline
from ports import free_endpoints, free_port
from posting import post
from waiting import node_processes, wait_until

import ddnn
from ddnn.api.live import live_of
from ddnn.bundle.load import Bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import BundleError, ConfigError, LaunchError
from ddnn.live.bundles import check_alike
from ddnn.live.endpoint import Endpoint
from ddnn.live.events import VerdictEvent
from ddnn.live.files import ServeFiles
from ddnn.live.remote import LiveHost
from ddnn.live.service import Service
from ddnn.live.serving import Live
from ddnn.live.sources.file import read_sources
from ddnn.live.sources.push import RAW
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.launch import Options, Watcher
from ddnn.topology import Topology

pytestmark = pytest.mark.process
SAMPLES = 60


class Running:
    """A service that a thread of its own turns, and what it answered."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.verdicts: list[VerdictEvent] = []
        self.others: list[dict] = []
        self.report: dict = {}
        self._reader = service.feed.subscribe(10**6)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.report = self.service.run()

    def __enter__(self) -> "Running":
        self.service.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()
        self._thread.join(60)
        self.service.__exit__()
        self.look()

    def look(self) -> None:
        for event in self._reader.take():
            (self.verdicts if event["kind"] == "verdict" else self.others).append(event)

    def until(self, holds: Callable[["Running"], object]) -> None:
        def is_so() -> bool:
            self.look()
            return bool(holds(self))

        wait_until(is_so)


def recorded(trained: Trained, folder: Path, sample: str, *, loop: bool = True) -> Live:
    """All devices see recorded views."""
    topology, samples = trained.bundle.topology, trained.samples
    path = folder / "sources.yaml"
    devices = "".join(f"  {name}: {{kind: recorded}}\n" for name in topology.devices)
    path.write_text(f"sample: {sample}\ndevices:\n{devices}")
    return Live(
        path=path,
        sources=read_sources(path, topology, topology.devices),
        recorded={name: samples.views_NVCHW[:, v] for v, name in enumerate(topology.devices)},
        labels=tuple(samples.fused_labels_N.tolist()),
        end=None if loop else len(samples),
    )


def pushing(
    topology: Topology, folder: Path, head: str, more: str = ""
) -> tuple[Live, dict[str, int]]:
    """All devices are pushed to, at these ports."""
    ports = {name: free_port() for name in topology.devices}
    path = folder / "sources.yaml"
    devices = "".join(
        f"  {name}: {{kind: push, listen: '127.0.0.1:{port}'{more}}}\n"
        for name, port in ports.items()
    )
    path.write_text(f"{head}\ndevices:\n{devices}")
    return Live(path=path, sources=read_sources(path, topology, topology.devices)), ports


def push(port: int, device: str, view_CHW: np.ndarray) -> None:
    body = np.ascontiguousarray(view_CHW.transpose(1, 2, 0))
    shape = ",".join(map(str, body.shape))
    path = f"/push/{device}"
    assert post(port, path, body.tobytes(), Content_Type=RAW, X_Shape=shape)[0] == 204


def test_recorded_views_are_answered_as_a_launch_answers_them(train: Trainer, tmp_path):
    trained = train(patient(star_topology()), SAMPLES)
    live = recorded(trained, tmp_path, "{every_ms: 0}", loop=False)
    with Service(trained.bundle, live, Options(free_ports=True), Watcher()) as service:
        reader = service.feed.subscribe(10**6)
        report = service.run()
    verdicts = sorted(
        (e for e in reader.take() if e["kind"] == "verdict"), key=lambda event: event["sample"]
    )
    wanted = run_inprocess(trained.bundle, trained.samples.views_NVCHW)
    assert [v["sample"] for v in verdicts] == list(range(SAMPLES))
    assert [v["class"] for v in verdicts] == wanted.predicted_N.tolist()
    assert [v["entropy"] for v in verdicts] == wanted.entropy_N.tolist()
    assert [v["probability"] for v in verdicts] == [answer.probability for answer in wanted.kept]
    right = wanted.predicted_N == trained.samples.fused_labels_N
    assert report["accuracy"] == right.mean()
    assert report["known"] == SAMPLES
    payload = report["bytes"]["per_device_sample"]["payload"]
    assert payload == report["bytes"]["per_device_sample_equation"]


def test_sample_numbers_go_on_past_32_bits(train: Trainer, tmp_path):
    trained = train(patient(star_topology()), SAMPLES)
    live = recorded(trained, tmp_path, "{every_ms: 0}", loop=False)
    first = 2**32 - 20
    service = Service(
        trained.bundle, live, Options(free_ports=True, window=8), Watcher(), first=first
    )
    with service:
        reader = service.feed.subscribe(10**6)
        report = service.run()
    verdicts = sorted(
        (e for e in reader.take() if e["kind"] == "verdict"), key=lambda event: event["sample"]
    )
    assert [v["sample"] for v in verdicts] == list(range(first, first + SAMPLES))
    rows = np.array([(first + n) % 2**32 % SAMPLES for n in range(SAMPLES)])
    wanted = run_inprocess(trained.bundle, trained.samples.views_NVCHW[rows])
    assert [v["class"] for v in verdicts] == wanted.predicted_N.tolist()
    assert {v["present"] for v in verdicts} == {"111"}
    assert report["degraded"] == 0
    assert report["nodes"]["gateway"]["events"] == {}


def test_a_pushed_view_asks_for_a_sample_and_who_has_none_is_not_present(train, tmp_path):
    trained = train(patient(star_topology()), SAMPLES)
    head = "sample: {events_of: [cam0], apart_ms: 0}\nmatch_ms: 400"  # of a busy machine
    live, ports = pushing(trained.bundle.topology, tmp_path, head)
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher(account_s=0.05))
    with Running(service) as running:
        for n in range(5):
            push(ports["cam0"], "cam0", trained.samples.views_NVCHW[n, 0])
            running.until(lambda r, n=n: len(r.verdicts) == n + 1)
        assert {v["present"] for v in running.verdicts} == {"100"}
        running.until(
            lambda r: any(e["kind"] == "failure" and e["what"] == "no-view" for e in r.others)
        )
        number = service.sample()
        running.until(lambda r: r.verdicts[-1]["sample"] == number)
        assert running.verdicts[-1]["exit"] is None
    assert running.report["views_missing"]["cam1"] == 6
    present_NV = np.tile([True, False, False], (SAMPLES, 1))
    wanted = offline(*trained, present_NV).predicted_N[:5].tolist()
    assert [v["class"] for v in running.verdicts[:5]] == wanted
    assert node_processes(trained.bundle.folder) == []


def test_every_process_may_be_started_again_while_it_answers(train: Trainer, tmp_path):
    document = star_topology(2).model_dump(mode="json")
    for node in document["nodes"].values():
        node["restart"] = "always"
    trained = train(patient(Topology.model_validate(document), seconds=3), SAMPLES)
    live = recorded(trained, tmp_path, "{every_ms: 5}")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        for name in trained.bundle.topology.nodes:
            before = service.pids[name]
            os.kill(before, signal.SIGKILL)
            running.until(lambda r, n=name, b=before: r.service.pids.get(n, b) != b)
            running.until(lambda r: not is_degraded_now(r))
    numbers = sorted(v["sample"] for v in running.verdicts)
    assert numbers == list(range(len(numbers)))


def is_degraded_now(running: Running) -> bool:
    latest = running.verdicts[-5:]
    return not latest or any(v["degraded"] or v["present"] != "11" for v in latest)


def test_a_request_that_makes_no_sense_ends_nothing(train: Trainer, tmp_path):
    trained = train(patient(star_topology(2)), SAMPLES)
    live = recorded(trained, tmp_path, "{every_ms: 5}")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        for request in (5, {}, {"node": "cam9", "kind": "kill"}):
            with pytest.raises((TypeError, ConfigError)):
                service.act(request)
        count = len(running.verdicts)
        running.until(lambda r: len(r.verdicts) > count + 20)


def test_new_thresholds_are_taken_while_it_answers(tmp_path):
    """By a signal, from the run's own folder."""
    trained = Trainer(tmp_path / "own")(patient(star_topology(2)), SAMPLES)
    said: list[str] = []
    live = recorded(trained, tmp_path, "{every_ms: 5}")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher(say=said.append))
    path, manifest = trained.bundle.folder / "manifest.json", trained.bundle.manifest
    rules = manifest.exits | {"local": ExitRule(threshold=1.0)}
    with Running(service) as running:
        running.until(lambda r: {v["exit"] for v in r.verdicts} == {"local", "cloud"})
        path.write_bytes(manifest.model_copy(update={"exits": rules}).to_bytes())
        service.reload()
        wait_until(lambda: any("thresholds from sample" in line for line in said))
        first = next(int(s.split()[3]) for s in said if "thresholds from sample" in s)
        running.until(lambda r: r.verdicts[-1]["sample"] > first + 2 * SAMPLES)
        others = manifest.sha256 | {"exits/local.onnx": "0" * 64}
        path.write_bytes(manifest.model_copy(update={"sha256": others}).to_bytes())
        service.reload()
        wait_until(lambda: any("thresholds stay as they are" in line for line in said))
    later = {v["exit"] for v in running.verdicts if v["sample"] > first + 70}
    assert later == {"local"}


def test_another_bundle_takes_over_without_a_gap(train: Trainer, tmp_path):
    """At one sample; cameras that are pushed to go on too."""
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    live, ports = pushing(topology, tmp_path, "sample: {every_ms: 10}\nmatch_ms: 30000")
    for sink in (None, ServeFiles(tmp_path / "out")):
        service = Service(one.bundle, live, Options(free_ports=True), Watcher(), sink=sink)
        with Running(service) as running:
            view_CHW = one.samples.views_NVCHW[0, 0]
            for name, port in ports.items():
                push(port, name, view_CHW)
            running.until(lambda r: len(r.verdicts) > 20)
            first = service.swap(other.bundle.folder)
            assert node_processes(other.bundle.folder)
            wait_until(lambda: node_processes(one.bundle.folder) == [])
            for name, port in ports.items():
                wait_until(partial(pushed, port, name, view_CHW))
            running.until(lambda r, f=first: sum(v["sample"] >= f for v in r.verdicts) > 20)
        numbers = sorted(v["sample"] for v in running.verdicts)
        assert numbers == list(range(len(numbers)))
        begun = [e["bundle_sha256"] for e in running.others if e["kind"] == "begin"]
        assert begun == [one.bundle.sha256, other.bundle.sha256]
        assert sum(e["kind"] == "end" for e in running.others) == 1
    assert (tmp_path / "out" / f"until-{first}" / "report.json").exists()
    assert (tmp_path / "out" / "report.json").exists()


def pushed(port: int, device: str, view_CHW: np.ndarray) -> bool:
    try:
        push(port, device, view_CHW)
    except OSError:
        return False
    return True


def test_a_bundle_whose_nodes_cannot_start_changes_nothing(train: Trainer, tmp_path):
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    gone = tmp_path / "gone.bin"
    live, _ = pushing(topology, tmp_path, "sample: {every_ms: 10}\nmatch_ms: 5")
    service = Service(one.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        section = other.bundle.section_path("cam1")
        section.rename(gone)
        with pytest.raises(BundleError):
            service.swap(other.bundle.folder)
        gone.rename(section)
        live.path.unlink()  # new devices cannot start
        with pytest.raises(LaunchError, match=r"did not start: .*sources\.yaml"):
            service.swap(other.bundle.folder)
        count = len(running.verdicts)
        running.until(lambda r: len(r.verdicts) > count + 20)
    numbers = sorted(v["sample"] for v in running.verdicts)
    assert numbers == list(range(len(numbers)))
    assert node_processes(other.bundle.folder) == []


def test_who_stops_the_system_waits_for_no_other_bundle(train: Trainer, tmp_path):
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    live, _ = pushing(topology, tmp_path, "sample: {every_ms: 10}\nmatch_ms: 5")
    said: list[str] = []
    service: Service

    def say(line: str) -> None:
        said.append(line)
        if "start beside" in line:
            service.stop()

    service = Service(one.bundle, live, Options(free_ports=True), Watcher(say=say))
    with Running(service) as running:
        running.until(lambda r: len(r.verdicts) > 5)
        with pytest.raises(LaunchError, match="is being stopped"):
            service.swap(other.bundle.folder)
    numbers = sorted(v["sample"] for v in running.verdicts)
    assert numbers == list(range(len(numbers)))
    assert not any("answers from sample" in line for line in said)
    assert node_processes(other.bundle.folder) == []


def test_others_are_served_while_another_bundle_gets_ready(train: Trainer, tmp_path):
    """Only a second bundle is refused meanwhile."""
    topology = patient(star_topology(2))
    one = train(topology, SAMPLES)
    other = Trainer(tmp_path / "other")(topology, SAMPLES + 1)
    live, _ = pushing(topology, tmp_path, "match_ms: 5")
    told: list[str] = []
    service = Service(one.bundle, live, Options(free_ports=True), Watcher(say=told.append))
    has_swapped = threading.Event()

    def ask() -> None:
        while not has_swapped.is_set():
            try:
                told.append(f"sample {service.sample()}")
                service.swap(other.bundle.folder)
            except (ConfigError, LaunchError) as error:
                told.append(str(error))

    with Running(service) as running:
        asking = threading.Thread(target=ask)
        swapping = threading.Thread(target=service.swap, args=(other.bundle.folder,))
        swapping.start()
        wait_until(lambda: any("start beside" in line for line in told))
        asking.start()
        swapping.join(60)
        has_swapped.set()
        asking.join(60)
    begin, end = (
        next(n for n, line in enumerate(told) if words in line)
        for words in ("start beside", "answers from sample")
    )
    meanwhile = told[begin:end]
    assert any(line.startswith("sample ") for line in meanwhile)
    assert "another bundle is taking over just now, want that first" in meanwhile
    numbers = sorted(v["sample"] for v in running.verdicts)
    assert numbers == list(range(len(numbers)))


def test_who_stops_the_system_waits_for_no_device_that_may_come_back(train: Trainer, tmp_path):
    document = patient(star_topology(2), seconds=1).model_dump(mode="json")
    for node in document["nodes"].values():
        node["restart"] = "always"
    trained = train(Topology.model_validate(document), SAMPLES)
    live, _ = pushing(trained.bundle.topology, tmp_path, "sample: {every_ms: 20}\nmatch_ms: 5")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        running.until(lambda r: r.verdicts)
        for name in trained.bundle.topology.devices:
            os.kill(service.pids[name], signal.SIGSTOP)
        running.until(lambda r: any(e.get("what") == "all-silent, paused" for e in r.others))
    assert running.report["answered"] == running.report["samples"] == len(running.verdicts)
    numbers = sorted(v["sample"] for v in running.verdicts)
    assert numbers == list(range(len(numbers)))


def test_other_devices_are_refused(train: Trainer, tmp_path):
    one, other = (train(patient(star_topology(n)), SAMPLES) for n in (2, 3))
    live = recorded(one, tmp_path, "{every_ms: 5}")
    service = Service(one.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        with pytest.raises(ConfigError, match="--swap: devices are"):
            service.swap(other.bundle.folder)
        running.until(lambda r: len(r.verdicts) > 5)


def test_the_command_tells_systemd_that_it_is_ready_and_ends_when_told(train: Trainer, tmp_path):
    trained = train(patient(star_topology(2)), SAMPLES)
    live = pushing(trained.bundle.topology, tmp_path, "sample: {every_ms: 20}\nmatch_ms: 5")[0]
    told, verdicts = tmp_path / "notify", tmp_path / "verdicts.jsonl"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(told))
        notified.settimeout(60)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ddnn", "serve", str(trained.bundle.folder)),
                *("--sources", str(live.path), "--free-ports", "--verdicts", str(verdicts)),
                *("--out", str(tmp_path / "out")),
            ],
            env=os.environ | {"NOTIFY_SOCKET": str(told)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert notified.recv(100) == b"READY=1"
            assert notified.recv(100) == b"WATCHDOG=1"
            wait_until(lambda: verdicts.exists() and verdicts.read_text().count("\n") > 2)
            process.send_signal(signal.SIGTERM)
            assert "samples answered" in process.communicate(timeout=60)[1]
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0
        assert notified.recv(100) == b"STOPPING=1"
    lines = [json.loads(line) for line in verdicts.read_text().splitlines()]
    assert [line["sample"] for line in lines] == list(range(len(lines)))
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["answered"] == len(lines)
    assert report["missed"] >= 0


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
    numbers = sorted(v["sample"] for v in running.verdicts)
    assert numbers == list(range(len(numbers)))
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


def test_memory_and_descriptors_stay_as_they_are(train: Trainer, tmp_path):
    """A short form of experiments/runtime/live.py."""
    trained = train(patient(star_topology(2)), SAMPLES)
    live = recorded(trained, tmp_path, "{every_ms: 0}")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        wait_until(lambda: service.answered > 5_000)
        before = {name: taken(pid) for name, pid in service.pids.items()}
        running.look()
        wait_until(lambda: service.answered > 25_000, 120)
        after = {name: taken(pid) for name, pid in service.pids.items()}
    grown = {name: after[name][0] - before[name][0] for name in after}
    assert max(grown.values()) < 2e6, grown
    assert {n: files for n, (_, files) in after.items()} == {
        n: files for n, (_, files) in before.items()
    }


def taken(pid: int) -> tuple[int, int]:
    """Resident bytes and open descriptors."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def test_accuracy_is_counted_anew_at_each_failure(train: Trainer, tmp_path):
    trained = train(patient(star_topology(2), seconds=2), SAMPLES)
    live = recorded(trained, tmp_path, "{every_ms: 5}")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher())
    with Running(service) as running:
        running.until(lambda r: len(r.verdicts) > 20)
        first = service.act({"node": "cam1", "kind": "kill"})
        running.until(lambda r: r.verdicts[-1]["sample"] > first + 20)
        running.until(lambda r: accuracies(r)[-1]["since"]["samples"] > 5)
    latest = accuracies(running)[-1]
    assert latest["before"]["samples"] > 0
    assert latest["since"]["samples"] < latest["all"]["samples"]
    right = sum(v["class"] == v["label"] for v in running.verdicts)
    assert running.report["accuracy"] == right / len(running.verdicts)


def accuracies(running: Running) -> list[dict]:
    return [e for e in running.others if e["kind"] == "accuracy"]


def test_objects_are_asked_for_one_after_the_other(train: Trainer, tmp_path):
    """Each as those cameras see it that do."""
    trained = train(patient(star_topology(2)), SAMPLES)
    live, _ = pushing(trained.bundle.topology, tmp_path, "match_ms: 30000", more=", once: true")
    seen = np.random.default_rng(0).random((20, 2)) < 0.7
    seen[~seen.any(axis=1), 0] = True
    wanted = offline(*trained, np.vstack([seen, np.ones((SAMPLES - 20, 2), bool)])).predicted_N
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher())
    with Running(service), Endpoint("127.0.0.1:0", service) as endpoint:
        url = f"http://127.0.0.1:{endpoint.port}"
        for n, seen_V in enumerate(seen):
            views = {
                f"cam{v}": trained.samples.views_NVCHW[n, v].transpose(1, 2, 0)[:, :, 0]
                for v in np.flatnonzero(seen_V)
            }
            verdict = ddnn.ask(url, views)
            assert verdict["sample"] == n
            assert verdict["present"] == "".join("01"[int(each)] for each in seen_V)
            assert verdict["class"] == wanted[n]
