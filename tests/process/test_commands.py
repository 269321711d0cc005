"""`ddnn launch` as a process of its own, and what others do to it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import yaml
from networks import Trainer
from ports import free_endpoints
from terminal import FOR_LONG, SAMPLES, SLOW_LINK, TOPOLOGY, Session
from waiting import assert_nothing_is_left, is_free, node_processes, wait_until

from ddnn.bundle.place import place_bundle
from ddnn.run.child.config import ChildConfig
from ddnn.topology import Topology

pytestmark = pytest.mark.process


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    topology = TOPOLOGY.with_endpoints(free_endpoints(TOPOLOGY))
    trained = Trainer(tmp_path)(topology, SAMPLES)
    samples = trained.samples
    np.savez(tmp_path / "views.npz", X=samples.views_NVCHW, y=samples.labels_NV)
    card = {"kind": "npz", "path": "views.npz", "classes": list(samples.classes)}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card | {"split": {"by": "sample"}}))
    session = Session(tmp_path, trained, topology)
    yield session
    if session.process is not None and not session.process.stdout.closed:
        session.process.kill()
        session.process.communicate()


def test_another_terminal_kills_a_node_of_a_running_launch(session):
    session.launch(*FOR_LONG)
    session.wait_running()
    killed = session.run("kill", "cam0")
    assert killed.stdout.startswith("cam0 killed before sample ")
    again = session.run("kill", "cam0")
    assert again.stderr == (
        "ddnn: cam0: is dead already, ddnn fault cam0 recover starts it again\n"
    )
    refused = session.run("kill", "cam7")
    assert refused.returncode == 1
    assert "no node named 'cam7' (known: cam0, cam1, gateway, cloud)" in refused.stderr
    wait_until(lambda: session.present()[-1:] == ["01"])
    report = session.stop()
    assert report["answered"] == report["samples"] == len(session.verdicts())
    assert report["nodes"]["cam0"]["state"] == "killed"
    done = [e["sample"] for e in report["failures"] if (e["node"], e["kind"]) == ("cam0", "kill")]
    assert killed.stdout.strip() == f"cam0 killed before sample {done[0]}"
    present = session.present()
    assert "11" in present[: done[0]]  # a busy machine may be late now and then
    assert not [devices for devices in present[done[0] :] if devices[0] == "1"]
    assert session.run("kill", "cam1").stderr.startswith("ddnn: no launch of yours is running")
    assert_nothing_is_left(session.trained.bundle.folder, session.topology)


def test_another_terminal_is_told_how_strong_a_fault_is_and_so_is_the_report(session):
    session.launch("--json")
    session.wait_running()
    done = session.run("fault", "cam0:gateway", "drop")
    assert done.stdout.startswith("cam0:gateway: drop (share 0.1) before sample ")
    code, out, err = session.finish()
    assert code == 0, err
    report = json.loads(out)
    assert report == json.loads((session.folder / "out/report.json").read_text())
    assert report["answered"] == SAMPLES
    (entry,) = [e for e in report["failures"] if e["kind"] == "drop"]
    assert (entry["values"], entry["applied"]) == ({"share": 0.1}, True)


def test_an_order_to_a_node_that_hangs_is_reported_as_not_taken_and_ends_nothing(session):
    """Somebody else stopped it: the launch does not know."""
    session.launch("--json")
    session.wait_running()
    listed = node_processes(session.trained.bundle.folder, "pid=,")
    (line,) = [line for line in listed if '"node": "cam0"' in line]
    os.kill(int(line.split()[0]), signal.SIGSTOP)
    assert session.run("fault", "cam0", "slow").returncode == 0
    code, out, err = session.finish()
    assert code == 0, err
    report = json.loads(out)
    (entry,) = [e for e in report["failures"] if e["kind"] == "slow"]
    assert (entry["applied"], entry["reason"]) == (False, "took no order")
    assert report["answered"] == SAMPLES
    assert_nothing_is_left(session.trained.bundle.folder, session.topology)


def test_a_node_starts_again_with_what_the_launch_began_with(session):
    """Somebody cleaned /tmp, and the run was calibrated, meanwhile."""
    session.launch(*FOR_LONG)
    session.wait_running()
    assert session.run("kill", "cam0").returncode == 0
    wait_until(lambda: session.present()[-1:] == ["01"])
    (folder,) = session.folder.glob("ddnn-launch-*")
    shutil.rmtree(folder)
    (session.trained.bundle.folder / "manifest.json").write_text("{}")
    assert session.run("fault", "cam0", "recover").returncode == 0
    wait_until(lambda: session.present()[-1:] == ["11"])
    assert session.stop()["nodes"]["cam0"]["state"] == "running"
    assert list(session.folder.glob("ddnn-launch-*")) == []


def test_a_failure_that_the_run_never_reaches_is_reported_as_such(session):
    plan = {"topology": "star", "failures": [{"node": "cam0", "kind": "kill"}]}
    plan["failures"][0] |= {"at": {"seconds": 900}, "for": {"seconds": 5}}
    (session.folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    session.launch("--plan", str(session.folder / "plan.yaml"), "--samples", "5")
    code, out, err = session.finish()
    assert code == 0, err
    said = "cam0: kill at 900 s not applied: the run was over by then"
    assert said in err
    assert said in out
    (entry,) = json.loads((session.folder / "out/report.json").read_text())["failures"]
    assert entry == {
        "node": "cam0",
        "kind": "kill",
        "values": {},
        "applied": False,
        "seconds": 900.0,
    }


def test_verdicts_can_be_read_while_the_launch_runs(session):
    session.launch("--json")
    session.wait_running()
    wait_until(lambda: len(session.verdicts()) > 5)
    assert session.process.poll() is None
    session.process.terminate()
    session.finish()


def test_a_disk_that_takes_nothing_at_the_end_costs_what_it_did_not_take_alone(session):
    """Here somebody put a file in the place of the folder."""
    session.launch("--json", "--samples", "100")
    wait_until((session.folder / "out/verdicts.csv").exists)
    (session.folder / "out").rename(session.folder / "moved")
    (session.folder / "out").write_text("")
    code, out, err = session.finish()
    report = json.loads(out)
    assert (code, report["answered"]) == (1, 100)
    reasons = [line.removeprefix(f"{session.folder}/out/") for line in report["unwritten"]]
    assert reasons == [
        "verdicts.csv: 100 lines not written, moved or removed while it was written",
        "memory.csv: cannot be written, File exists",
        "links.csv: cannot be written, File exists",
    ]
    assert err.splitlines()[-1].startswith(f"ddnn: {report['unwritten'][0]}; ")
    assert "Traceback" not in err


@pytest.mark.parametrize("how", [">/dev/full", "2>/dev/full", "2>&-", ">&- 2>&-"])
def test_a_terminal_that_takes_nothing_costs_no_report(session, how):
    process = session.launch("--samples", "20", redirect=how)
    assert process.wait(60) == (1 if how == ">/dev/full" else 0)
    report = json.loads((session.folder / "out/report.json").read_text())
    assert (report["answered"], "interrupted" in report) == (20, False)


def test_a_report_never_replaces_that_of_a_training(session):
    (session.folder / "out").mkdir()
    (session.folder / "out/config.json").write_text(json.dumps({"settings": {"epochs": 1}}))
    session.launch()
    code, out, err = session.finish()
    folder = session.folder / "out"
    assert (code, out) == (1, "")
    assert err == f"ddnn: --out {folder}: is a run of ddnn train, want another folder\n"


def test_a_node_by_hand_sees_its_view_of_a_card(session):
    """Listening, it holds its port: it got as far as ddnn launch's nodes do."""
    bundle, card = str(session.trained.bundle.folder), str(session.folder / "card.yaml")
    lacking = session.run("node", bundle, "cam0")
    assert lacking.stderr == f"ddnn: {bundle}: names no data card, want --data CARD\n"
    process = subprocess.Popen(session.command("node", bundle, "cam0", "--data", card))
    host, port = session.topology.endpoint("cam0").removeprefix("tcp://").split(":")
    try:
        wait_until(lambda: process.poll() is not None or not is_free(host, int(port)))
        assert process.poll() is None
    finally:
        process.terminate()
    assert process.wait(60) == 0


def never_ready(session: Session) -> None:
    """Nodes start and wait for each other: what cam1 says takes a minute to the gateway."""
    topology = session.topology.model_dump(mode="json")
    topology["links"] = [SLOW_LINK | {"latency_ms": 60_000}]
    placed = place_bundle(
        session.trained.bundle.folder, Topology.model_validate(topology), session.folder / "slow"
    )
    session.trained = session.trained._replace(bundle=placed)


@pytest.mark.parametrize(
    ("number", "when", "wanted"),
    [
        (signal.SIGINT, "while it starts", 1),
        (signal.SIGINT, "while it runs", 1),
        (signal.SIGTERM, "while it starts", 143),
        (signal.SIGHUP, "while it runs", 129),
    ],
)
def test_a_signal_ends_everything_and_says_so_in_one_line(session, number, when, wanted):
    if when == "while it starts":
        never_ready(session)
    process = session.launch()
    if when == "while it runs":
        session.wait_running()
    else:
        wait_until(lambda: node_processes(session.trained.bundle.folder))
    process.send_signal(number)
    code, out, err = session.finish()
    assert code == wanted
    assert "Traceback" not in err
    assert out == ""
    left = "nothing was run"
    if when == "while it runs":
        left = f"what was answered is in {session.folder / 'out'}"
        report = json.loads((session.folder / "out/report.json").read_text())
        assert (report["interrupted"], report["samples_wanted"]) == (True, SAMPLES)
        assert report["samples"] == report["answered"] == len(session.verdicts()) < SAMPLES
        assert session.run("report", str(session.folder / "out")).returncode == 0
    else:
        assert not (session.folder / "out").exists()
    assert err.splitlines()[-1] == f"ddnn: interrupted; all nodes are stopped, {left}"
    assert list(session.folder.glob("ddnn/*.sock")) == []
    assert list(session.folder.glob("ddnn-launch-*")) == []
    assert_nothing_is_left(session.trained.bundle.folder, session.topology)


def test_a_launcher_that_is_killed_takes_its_nodes_with_it(session):
    process = session.launch()
    session.wait_running()
    assert len(node_processes(session.trained.bundle.folder)) == len(session.topology.nodes)
    wait_until((session.folder / "out/report.json").exists)
    process.kill()
    session.finish()
    wait_until(lambda: not node_processes(session.trained.bundle.folder))
    report = json.loads((session.folder / "out/report.json").read_text())
    assert (report["interrupted"], report["why"]) == (True, "not over yet")
    assert_nothing_is_left(session.trained.bundle.folder, session.topology)
    assert session.run("kill", "cam0").stderr.startswith("ddnn: no launch of yours is running")


def test_a_node_that_has_not_started_yet_goes_with_its_launcher(tmp_path):
    """Its standard input is closed while it still imports, long before it could find no bundle."""
    config = ChildConfig(bundle=str(tmp_path), node="cam0").to_argument()
    command = [sys.executable, "-m", "ddnn.run.child", config]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            process.stdin.close()
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_visitor_that_says_nothing_does_not_make_nodes_look_dead(session):
    """The launch does not stand still for it."""
    session.launch("--json", "--samples", "150", "--rate", "100")
    session.wait_running()
    (path,) = session.folder.glob("ddnn/*.sock")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        code, out, err = session.finish()
    assert code == 0, err
    report = json.loads(out)
    assert (report["answered"], report["prior_answers"]) == (150, 0)


def test_a_node_by_hand_says_what_it_lacks(session):
    np.savez(session.folder / "archive.npz", np.zeros(3))
    archive = str(session.folder / "archive.npz")
    refused = session.run("node", str(session.trained.bundle.folder), "cam0", "--views", archive)
    assert refused.returncode == 1
    assert refused.stderr == f"ddnn: {archive}: not an array of views, want a .npy file\n"
