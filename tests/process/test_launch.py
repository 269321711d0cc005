"""Promises 1 to 5 with real processes. N samples, V views."""

import csv
import hashlib
import json
import os
import shutil
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from builders import patient, star_topology, unattended
from networks import PRIOR_CLASS, Trained, Trainer, offline
from ports import free_endpoints
from waiting import assert_nothing_is_left, node_processes

from ddnn.bundle.load import load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.errors import BundleError, ConfigError, DdnnError, LaunchError, TransportError
from ddnn.live.feed import Feed
from ddnn.report.verdicts import columns
from ddnn.run.failures.plan import FailurePlan, parse_failure, plan_of, presence
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher import confirming
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.run.outcome import Outcome, link_counts, write_outcome
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair

pytestmark = pytest.mark.process
SAMPLES = 200


def at_free_ports(topology: Topology) -> Topology:
    return topology.with_endpoints(free_endpoints(topology))


def launched(trained: Trained, **options: object) -> Outcome:
    """A launch at free ports."""
    return launch(trained.bundle, trained.samples, Options(free_ports=True, **options))


def data_bytes(links: list[dict]) -> dict[tuple[str, str, str], tuple[int, int]]:
    return {(e["from"], e["to"], e["kind"]): (e["rows"], e["payload"]) for e in links if e["data"]}


@pytest.fixture(scope="module")
def six(train: Trainer):
    """The six cameras launched, and the same in one process."""
    topology = patient(read_topology("six-cameras"))
    trained = train(topology, SAMPLES)
    outcome = launched(trained)
    return trained, outcome, run_inprocess(trained.bundle, trained.samples.views)


def test_processes_answer_as_one_process_does(six):
    _, outcome, collector = six
    for name in ("predicted_N", "exit_N", "present_NV", "degraded_N", "entropy_N"):
        np.testing.assert_array_equal(getattr(outcome.verdicts, name), getattr(collector, name))
    assert set(np.unique(collector.exit_N)) == {0, 1}


def test_processes_answer_as_the_torch_network_does(six):
    trained, outcome, _ = six
    wanted = offline(*trained)
    assert (wanted.predicted_N == outcome.verdicts.predicted_N).mean() >= 0.999


def test_processes_send_the_bytes_that_one_process_sends(six):
    _, outcome, collector = six
    wanted = {
        (*c.link, c.kind.name.lower()): (c.rows, c.payload)
        for c in link_counts(collector.accounts)
        if c.kind.is_data
    }
    assert data_bytes(outcome.report["bytes"]["links"]) == wanted
    report = outcome.report["bytes"]
    assert report["per_device_sample"]["payload"] == report["per_device_sample_equation"]


def test_sockets_of_the_launchs_own_carry_the_same_and_leave_no_kernels_count(six):
    trained, outcome, _ = six
    over_ipc = launched(trained, ipc=True)
    for name in ("predicted_N", "exit_N", "present_NV", "degraded_N"):
        np.testing.assert_array_equal(
            getattr(over_ipc.verdicts, name), getattr(outcome.verdicts, name)
        )
    counted, wanted = over_ipc.report["bytes"], outcome.report["bytes"]
    assert data_bytes(counted["links"]) == data_bytes(wanted["links"])
    assert counted["kernel"] is None


def test_replicas_answer_as_one_node_does_and_go_on_without_a_dead_one(six, tmp_path):
    trained, _, collector = six
    document = trained.bundle.topology.model_dump(mode="json")
    for place, (name, count) in enumerate({"cloud": 3, "gateway": 2}.items()):
        document["nodes"][name] |= {
            "replicas": count,
            "endpoint": f"tcp://127.0.0.1:{30000 + 9 * place}",
        }
        document["heartbeat"] = {"interval_ms": 100, "patience": 5}
    document["heartbeat"] = {"interval_ms": 100, "patience": 10}
    shared = place_bundle(trained.bundle.folder, Topology.model_validate(document), tmp_path / "b")
    plan = plan_of(shared.topology, kills=["cloud-2@50", "gateway@100"])
    options = Options(free_ports=True, plan=plan, window=4)
    outcome = launch(shared, trained.samples, options)
    calm_N = ~outcome.verdicts.degraded_N
    for name in ("predicted_N", "exit_N", "present_NV"):
        wanted = getattr(collector, name)
        np.testing.assert_array_equal(getattr(outcome.verdicts, name)[calm_N], wanted[calm_N])
    assert calm_N[:50].all()
    assert calm_N[-40:].all()


def test_the_report_has_its_fixed_names(six, tmp_path):
    _, outcome, _ = six
    write_outcome(tmp_path, outcome)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["samples"] == report["answered"] == SAMPLES
    assert report["late_verdicts"] == 0
    assert set(report) >= {
        "accuracy", "accuracy_interval", "exits", "degraded", "nodes", "bytes", "latency_ms",
        "throughput_samples_per_s", "failures", "topology", "bundle_sha256", "seed", "versions",
    }  # fmt: skip
    assert set(report["exits"]) == set(report["latency_ms"]) == {"local", "cloud"}
    assert set(report["exits"]["local"]) >= {"samples", "share", "accuracy"}
    assert set(report["latency_ms"]["cloud"]) == {"p50", "p95", "p99"}
    assert set(report["bytes"]["per_device_sample"]) == {"information", "payload", "zmtp", "ip"}
    for node in report["nodes"].values():
        assert node["state"] == "running"
        assert node["sent_bytes"] > 0
        assert node["received_bytes"] > 0
    with (tmp_path / "verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == columns(())
    assert [int(row["sample"]) for row in rows] == list(range(SAMPLES))
    assert {row["present"] for row in rows} == {"111111"}


def test_no_process_and_no_port_is_left_behind(train):
    topology = at_free_ports(patient(star_topology(2)))
    trained = train(topology, 30)
    assert launch(trained.bundle, trained.samples).report["late_verdicts"] == 0
    assert_nothing_is_left(trained.bundle.folder, topology)


def test_nodes_behind_a_slow_link_hand_over_their_accounts(train):
    link = {"from": "cloud", "to": COLLECTOR, "latency_ms": 1000}
    topology = patient(star_topology(2, links=[link]))
    outcome = launched(train(topology, 30))
    assert set(outcome.report["bytes"]["kernel"]["nodes"]) == {COLLECTOR, *topology.nodes}
    assert outcome.report["bytes"]["kernel"]["difference"] == 0


def test_devices_die_one_comes_back_and_every_answer_is_of_those_that_are_there(train, tmp_path):
    topology = patient(star_topology(), seconds=2)
    trained = train(topology, SAMPLES)
    plan = plan_of(topology, kills=["cam0@40", "cam1@80"], recovers=["cam0@120"])
    present_NV = presence(plan, topology, SAMPLES)
    wanted = offline(*trained, present_NV)
    texts = []
    for outcome in (launched(trained, plan=plan), launched(trained, plan=plan)):
        assert (outcome.report["late_verdicts"], outcome.report["degraded"]) == (0, 0)
        np.testing.assert_array_equal(outcome.verdicts.present_NV, present_NV)
        assert (wanted.predicted_N == outcome.verdicts.predicted_N).mean() >= 0.999
        report = outcome.report["bytes"]
        assert report["per_device_sample"]["payload"] == report["per_device_sample_equation"]
        done = [(e["node"], e["kind"], e["sample"]) for e in outcome.report["failures"]]
        assert {("cam0", "kill", 40), ("cam1", "kill", 80), ("cam0", "recover", 120)} <= set(done)
        states = {name: node["state"] for name, node in outcome.report["nodes"].items()}
        assert states == dict.fromkeys(topology.nodes, "running") | {"cam1": "killed"}
        write_outcome(tmp_path, outcome)
        texts.append((tmp_path / "verdicts.csv").read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("victim", "left"), [("cloud", {-1: 0, 0: 160}), ("gateway", {-1: 160, 0: 0})]
)
def test_with_an_upper_node_gone_every_sample_is_answered(train, victim, left):
    topology = unattended(patient(star_topology(), seconds=2))
    trained = train(topology, SAMPLES)
    plan = plan_of(topology, kills=[f"{victim}@40"])
    outcome = launched(trained, plan=plan, window=256)
    verdicts = outcome.verdicts
    assert outcome.report["late_verdicts"] == 0
    assert {number: int((verdicts.exit_N[40:] == number).sum()) for number in left} == left
    whole = run_inprocess(trained.bundle, trained.samples.views)
    np.testing.assert_array_equal(verdicts.predicted_N[:40], whole.predicted_N[:40])
    assert not verdicts.degraded_N[:40].any()
    lost_N = whole.exit_N[40:] == 1 if victim == "cloud" else np.ones(160, dtype=bool)
    np.testing.assert_array_equal(verdicts.degraded_N[40:], lost_N)
    if victim == "gateway":
        assert (verdicts.predicted_N[40:] == PRIOR_CLASS).all()


def test_a_gateway_that_dies_is_started_again(train):
    document = patient(star_topology()).model_dump(mode="json")
    document["nodes"]["gateway"]["restart"] = "always"
    topology = Topology.model_validate(document)
    trained = train(topology, SAMPLES)
    plan = plan_of(topology, kills=["gateway@40"])
    outcome = launched(trained, plan=plan)
    whole = run_inprocess(trained.bundle, trained.samples.views)
    np.testing.assert_array_equal(outcome.verdicts.predicted_N, whole.predicted_N)
    assert outcome.report["nodes"]["gateway"]["state"] == "running"


def test_a_node_comes_back_while_another_cannot_be_heard(train):
    topology = patient(star_topology())
    trained = train(topology, SAMPLES)
    silent = {"at": {"sample": 20}, "node": "cam0", "kind": "drop", "share": 1}
    gone = {"at": {"sample": 40}, "node": "cam1", "kind": "kill", "for": {"samples": 30}}
    plan = FailurePlan(
        topology=topology.name, failures=[parse_failure(entry) for entry in (silent, gone)]
    )
    verdicts = launched(trained, plan=plan).verdicts
    assert len(verdicts.predicted_N) == SAMPLES
    assert not verdicts.present_NV[20:, 0].any()
    assert not verdicts.present_NV[40:70, 1].any()
    assert verdicts.present_NV[70:, 1].all()


def test_a_halt_waits_no_longer_than_its_time_for_a_node_that_hangs(train, monkeypatch):
    """Somebody else stopped it: nothing says that it does not hear."""
    monkeypatch.setattr(confirming, "CONFIRM_S", 0.3)
    trained = train(star_topology(2), SAMPLES)
    slow = {"at": {"sample": 150}, "node": "cam0", "kind": "slow"}
    plan = FailurePlan(topology="star", failures=[parse_failure(slow)])
    stopped: list[int] = []

    def stop_one(_answered: int) -> None:
        listed = node_processes(trained.bundle.folder, "pid=,")
        if not stopped:
            stopped.extend(int(line.split()[0]) for line in listed if '"node": "cam0"' in line)
            os.kill(stopped[0], signal.SIGSTOP)

    options = Options(free_ports=True, plan=plan, window=1)
    watcher = Watcher(progress=stop_one)
    report = launch(trained.bundle, trained.samples, options, watcher).report
    (entry,) = [e for e in report["failures"] if e["kind"] == "slow"]
    assert (entry["applied"], entry["reason"]) == (False, "took no order")
    assert report["answered"] == SAMPLES


def damage_a_model(folder: Path) -> str:
    """A model without a graph, its hash right."""
    content = b"\x08\x07" * 100
    (folder / "sections/cam1.onnx").write_bytes(content)
    manifest = load_bundle(folder, ()).manifest
    hashes = manifest.sha256 | {"sections/cam1.onnx": hashlib.sha256(content).hexdigest()}
    manifest = manifest.model_copy(update={"sha256": hashes})
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return rf"cam1 did not start: {folder}/.*cam1\.onnx: not an ONNX model.*exit code 1"


def test_a_port_in_use_is_named_with_the_node_that_wants_it(train):
    topology = at_free_ports(star_topology(2))
    trained = train(topology, 30)
    for name in ("cam1", COLLECTOR):
        port = int(topology.endpoint(name).rsplit(":", 1)[1])
        said = f"^{name}: port {port} is in use on 127.0.0.1, want it free .* --free-ports$"
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(TransportError, match=said),
        ):
            launch(trained.bundle, trained.samples)
    assert_nothing_is_left(trained.bundle.folder, topology)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda key: key.unlink(), "No such file or directory, want a file made by `ddnn keys`"),
        (lambda key: key.chmod(0o644), "mode 0644, others can read the secret; want 0600"),
        (
            lambda key: shutil.copy(key.with_name("cam0.key"), key),
            "the key of 'cam0', want that of",
        ),
        (lambda key: key.write_text("{"), "not JSON, want name, public and secret"),
    ],
    ids=["missing", "open to others", "another node's", "cut off"],
)
def test_a_wrong_key_is_named_before_anything_starts(train, tmp_path, damage, said):
    trained = train(star_topology(2, security={"curve": True}), 30)
    keys = tmp_path / "keys"
    write_keys(keys, (COLLECTOR, *trained.bundle.topology.nodes), make_key_pair)
    damage(keys / "cam1.key")
    with pytest.raises(ConfigError, match=f"^{keys}/cam1.key: {said}"):
        launched(trained, keys=keys)


def test_nodes_that_are_not_ready_in_the_time_they_get_are_named(train):
    trained = train(star_topology(2), 30)
    wanted = r"^not ready after 0\.1 s: [a-z0-9, ]+ \(ddnn launch --ready-timeout S waits longer\)$"
    with pytest.raises(LaunchError, match=wanted):
        launched(trained, ready_s=0.1)


def test_a_node_that_does_not_start_is_named_with_its_last_line(tmp_path):
    topology = at_free_ports(star_topology(2))
    trained = Trainer(tmp_path)(topology, 30)
    wanted = damage_a_model(trained.bundle.folder)
    with pytest.raises(LaunchError, match=wanted):
        launch(load_bundle(trained.bundle.folder, ()), trained.samples)
    assert_nothing_is_left(trained.bundle.folder, topology)


@pytest.mark.parametrize("name", ["exits/local.onnx", "sections/cam0.onnx", "manifest.json"])
def test_a_bundle_that_changed_since_it_was_loaded_starts_nothing(tmp_path, name):
    trained = Trainer(tmp_path)(star_topology(2), 30)
    with (trained.bundle.folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=rf"^{trained.bundle.folder}/{name}: "):
        launched(trained)
    assert node_processes(trained.bundle.folder) == []


def test_more_samples_than_messages_can_name_are_refused(train):
    with pytest.raises(
        ConfigError, match=r"rounds: got 10+, want at most 2147483648 samples in all"
    ):
        launched(train(star_topology(2), 30), rounds=10**14)


def test_wrong_views_are_refused_before_anything_starts(train):
    trained = train(star_topology(2), 30)
    other = train(star_topology(3), 30)
    with pytest.raises(DdnnError, match=r" 3 x 1 x 8 x 8, topology star wants 2 x 1 x 8 x 8"):
        launch(trained.bundle, other.samples)
    assert node_processes(trained.bundle.folder) == []


def test_a_feed_is_told_everything_while_it_happens(train):
    topology = patient(star_topology(2))
    trained, feed = train(topology, 30), Feed()
    with feed.subscribe() as reader:
        gone = parse_failure({"node": "cam1", "kind": "kill", "at": {"sample": 10}})
        plan = FailurePlan(topology="star", failures=[gone])
        outcome = launch(
            trained.bundle,
            trained.samples,
            Options(free_ports=True, plan=plan),
            Watcher(feed=feed),
        )
        events = reader.take()
    assert events[0]["kind"] == "begin"
    assert events[-1] == {"kind": "end", "time": events[-1]["time"], "why": ""}
    verdicts = [event for event in events if event["kind"] == "verdict"]
    verdicts.sort(key=lambda event: event["sample"])
    assert [event["sample"] for event in verdicts] == list(range(30))
    assert [event["class"] for event in verdicts] == outcome.verdicts.predicted_N.tolist()
    assert {event["present"] for event in verdicts[10:]} == {"10"}
    failed = [event for event in events if event["kind"] == "failure"]
    assert [(event["node"], event["what"], event["sample"]) for event in failed][:1] == [
        ("cam1", "kill", 10)
    ]
    links = [event for event in events if event["kind"] == "links"][-1]
    assert links["links"] == outcome.report["bytes"]["links"]


def test_nodes_tell_what_they_counted_while_somebody_reads_it(train):
    """And their last words are still the whole account, with the kernel's count."""
    trained, feed = train(patient(star_topology(2)), 30), Feed()
    with feed.subscribe(limit=10**6) as reader:
        outcome = launch(
            trained.bundle,
            trained.samples,
            Options(free_ports=True, rounds=100),
            Watcher(feed=feed, account_s=0.05),
        )
        links = [event for event in reader.take() if event["kind"] == "links"]
    assert outcome.report["bytes"]["kernel"]["difference"] == 0
    assert outcome.report["samples"] == 3000
    payload = outcome.report["bytes"]
    assert payload["per_device_sample"]["payload"] == payload["per_device_sample_equation"]
    assert links[-1]["links"] == payload["links"]
    while_it_ran = [e for event in links[:-1] for e in event["links"] if e["from"] == "cam0"]
    assert any(0 < e["rows"] < 3000 for e in while_it_ran if e["kind"] == "scores")
