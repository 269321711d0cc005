"""A live system with real processes: it goes on whatever its cameras do."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trained, Trainer, offline
from test_push import free_port, post
from waiting import node_processes, wait_until

from ddnn.live.events import VerdictEvent
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


def pushing(topology: Topology, folder: Path, head: str) -> tuple[Live, dict[str, int]]:
    """All devices are pushed to, at these ports."""
    ports = {name: free_port() for name in topology.devices}
    path = folder / "sources.yaml"
    devices = "".join(
        f"  {name}: {{kind: push, listen: '127.0.0.1:{port}'}}\n" for name, port in ports.items()
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
    head = "sample: {events_of: [cam0], apart_ms: 0}\nmatch_ms: 50"
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


def test_new_thresholds_are_taken_while_it_answers(train: Trainer, tmp_path):
    trained = train(patient(star_topology(2)), SAMPLES)
    said: list[str] = []
    live = recorded(trained, tmp_path, "{every_ms: 5}")
    service = Service(trained.bundle, live, Options(free_ports=True), Watcher(say=said.append))
    with Running(service) as running:
        running.until(lambda r: {v["exit"] for v in r.verdicts} == {"local", "cloud"})
        manifest = trained.bundle.manifest
        rules = {n: r.model_copy(update={"threshold": 1.0}) for n, r in manifest.exits.items()}
        rules["cloud"] = manifest.exits["cloud"]
        service.set_rules(rules)
        wait_until(lambda: any("thresholds from sample" in line for line in said))
        first = next(int(s.split()[3]) for s in said if "thresholds from sample" in s)
        running.until(lambda r: r.verdicts[-1]["sample"] > first + 2 * SAMPLES)
    later = {v["exit"] for v in running.verdicts if v["sample"] > first + 70}
    assert later == {"local"}
