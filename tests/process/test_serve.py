"""A live system with real processes: it goes on whatever its cameras do."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import patient, star_topology
from networks import Trainer, offline
from serving import Running, push, pushing, recorded
from waiting import node_processes, wait_until

import ddnn
from ddnn.bundle.manifest import ExitRule
from ddnn.errors import ConfigError
from ddnn.live.endpoint import Endpoint
from ddnn.live.service import Service
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.launch import Options, Watcher
from ddnn.topology import Topology

pytestmark = pytest.mark.process
SAMPLES = 60


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
    running.assert_none_is_lost()


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
    running.assert_none_is_lost()


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
