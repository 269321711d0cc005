"""A deployment over ssh: Debian's sshd on two hosts with addresses of their own, one of which is
out of reach at times. All in namespaces that the test makes and takes away; needs root."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deployed import MARKS, SAMPLES, Fleet, topology_of
from waiting import wait_until

pytest.importorskip("asyncssh", reason="needs asyncssh")
pytestmark = MARKS


def test_two_hosts_answer_as_one_process_before_and_after_upgrade_and_rollback(fleet):
    assert "have version 0001-" in fleet.deploy()
    keys = {path.name for path in (fleet.place("cloud") / "current/keys").iterdir()}
    assert keys == {"public.json", "cloud.key"}
    assert (fleet.place("cloud") / "current/keys/cloud.key").stat().st_mode & 0o777 == 0o600
    assert not (fleet.place("cloud") / "current/views").exists()
    assert not list(fleet.place("north").rglob("sections/cloud*"))
    fleet.ddnn("deploy", "start", fleet.out)
    status = fleet.status()
    assert {name: (n["host"], n["state"]) for name, n in status["nodes"].items()} == {
        "cam0": ("north", "running"), "cloud": ("cloud", "running"),
    }  # fmt: skip
    digest = fleet.first.bundle.sha256
    assert {node["bundle_sha256"] for node in status["nodes"].values()} == {digest}
    fleet.assert_a_run_answers_as(fleet.first)
    first = fleet.current("north")
    said = fleet.ddnn("logs", fleet.out)
    assert "north: cam0 listens at tcp://10.78.0.2:6000" in said
    assert "cloud: cloud was told to stop" in said

    second = fleet.train(topology_of(), SAMPLES + 1)
    assert "-> 0002-" in fleet.upgrade(second)
    fleet.assert_a_run_answers_as(second)

    fleet.ddnn("deploy", "rollback", fleet.out)
    assert fleet.current("north") == fleet.current("cloud") == first
    fleet.assert_a_run_answers_as(fleet.first)
    assert "no version before" in fleet.ddnn("deploy", "rollback", fleet.out, code=1)

    fleet.ddnn("deploy", "stop", fleet.out)
    assert fleet.nodes("north") + fleet.nodes("cloud") == []


def test_the_collectors_host_may_be_another_machine_too(net, tmp_path):
    """Nothing is kept running there: a run has an end."""
    fleet = Fleet(net, tmp_path, ("site", "north", "cloud"))
    try:
        said = fleet.deploy()
        assert f"ssh root@10.78.0.1 {fleet.place('site')}/current/run" in said
        assert list(fleet.out.iterdir()) == [fleet.out / "deployment.json"]
        fleet.ddnn("deploy", "start", fleet.out)
        assert fleet.status()["hosts"]["site"]["service"] == "by hand"
        options = ["-i", str(fleet.folder / "own"), "-o", f"UserKnownHostsFile={fleet.known}"]
        fleet.run(["ssh", *options, "root@10.78.0.1", f"{fleet.place('site')}/current/run"])
        fleet.assert_answers_as(fleet.first, fleet.place("site") / "report")
    finally:
        fleet.close()


def test_a_host_that_cannot_be_reached_leaves_all_as_it_was(fleet, net):
    """Named in one line, whatever was wanted of it."""
    net.cut("cloud")
    said = fleet.deploy(code=1)
    assert said.startswith("ddnn: host cloud (10.78.0.3:22): ")
    assert said.count("\n") == 1
    assert not fleet.out.exists()
    assert not fleet.place("north").exists()

    net.heal("cloud")
    fleet.deploy()
    before = fleet.current("north")
    net.cut("cloud")
    other = fleet.train(topology_of(), SAMPLES + 1)
    assert fleet.upgrade(other, code=1).startswith("ddnn: host cloud (10.78.0.3:22): ")
    assert fleet.current("north") == before
    assert [path.name for path in (fleet.place("north") / "versions").iterdir()] == [
        Path(before).name
    ]


def test_a_host_that_differs_is_named_in_one_line(fleet, net):
    fleet.deploy()
    assert fleet.status(code=1)["differs"] == [
        "host north: its nodes are stopped", "host cloud: its nodes are stopped",
    ]  # fmt: skip
    fleet.ddnn("deploy", "start", fleet.out)
    record = fleet.out / "deployment.json"
    known = json.loads(record.read_text())
    known["versions"][0]["bundle_sha256"] = "f" * 64
    record.write_text(json.dumps(known))
    own = fleet.first.bundle.sha256[:12]
    net.cut("north")
    north, cloud = fleet.status(code=1)["differs"]
    assert north.startswith("host north (10.78.0.2:22): ")
    assert cloud == f"host cloud: runs bundle {own}, want ffffffffffff"
    said = fleet.ddnn("logs", fleet.out, code=1)
    assert "cloud listens at" in said
    assert "ddnn: host north (10.78.0.2:22): " in said


def test_what_is_killed_on_a_host_comes_back_there(fleet):
    fleet.deploy()
    fleet.ddnn("deploy", "start", fleet.out)
    before = fleet.nodes("cloud")
    log = fleet.place("cloud") / "log"
    os.kill(int(before[0].split()[0]), signal.SIGKILL)  # the node
    wait_until(lambda: fleet.nodes("cloud") and fleet.nodes("cloud") != before)
    assert "cloud is started again" in log.read_text()

    launcher = json.loads(log.read_text().splitlines()[-1])["pid"]
    os.kill(launcher, signal.SIGKILL)  # what starts it again
    wait_until(lambda: log.read_text().count("cloud listens at") == 2)
    fleet.assert_a_run_answers_as(fleet.first)


def test_logs_are_followed_over_restarts_and_links_that_break_and_leave_nothing(fleet):
    fleet.deploy()
    fleet.ddnn("deploy", "start", fleet.out)
    with fleet.following("--lines", "50") as follower:
        wait_until(lambda: "cloud: cloud listens at" in follower.said())
        assert "north: cam0 listens at" in follower.said()
        os.kill(int(fleet.nodes("cloud")[0].split()[0]), signal.SIGKILL)
        wait_until(lambda: "cloud: cloud is started again" in follower.said())
        os.kill(fleet.session_of_follower("north"), signal.SIGKILL)
        wait_until(lambda: "north: is away: host north: the connection broke" in follower.said())
        wait_until(lambda: "north: is back" in follower.said())
        assert follower.said().count("cam0 listens at") == 1
        follower.process.send_signal(signal.SIGINT)
        assert follower.process.wait(60) == 0
    assert "Traceback" not in follower.said()
    wait_until(lambda: not fleet.followers())


def test_a_version_that_does_not_come_up_on_one_host_is_left_on_all(fleet, net):
    """The other host has it already, and goes back."""
    fleet.deploy()
    fleet.ddnn("deploy", "start", fleet.out)
    before = fleet.current("north")
    taken = "import socket; s = socket.create_server(('10.78.0.3', 7000)); print(1, flush=True); "
    log = fleet.folder / "taken.log"
    net.run("cloud", log, "-c", taken + "[s.accept() for _ in iter(int, 1)]")
    wait_until(log.read_text)
    said = fleet.upgrade(fleet.train(topology_of(cloud=7000), SAMPLES), code=1)
    assert "host cloud: does not come up: " in said
    assert "port 7000 is in use" in said
    assert said.endswith("; nothing is changed\n")
    assert fleet.current("north") == fleet.current("cloud") == before
    fleet.assert_a_run_answers_as(fleet.first)


def test_a_link_that_breaks_once_all_have_the_new_version_leaves_the_record_right(fleet):
    """Old versions are cleared away last, and that may fail."""
    python = fleet.folder / "cut-python"
    cut = 'case "$*" in *\'"prune"\'*) kill -9 $PPID;; esac'
    python.write_text(f'#!/bin/sh\n{cut}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    text = fleet.hosts.read_text()
    fleet.hosts.write_text(text.replace("cloud: {", f"cloud: {{python: {python}, "))
    said = fleet.deploy()
    assert "ddnn: host cloud: the connection broke; its old versions stay" in said
    assert said.count("\n") == 4
    assert fleet.status(code=1)["version"] == fleet.current("cloud").removeprefix("versions/")
    fleet.ddnn("deploy", "start", fleet.out)
    fleet.assert_a_run_answers_as(fleet.first)

    second = fleet.train(topology_of(), SAMPLES + 1)
    assert "-> 0002-" in fleet.upgrade(second)
    assert fleet.status()["version"].startswith("0002-")
    fleet.assert_a_run_answers_as(second)


def test_a_try_that_broke_off_is_no_hindrance(fleet):
    """What it left on a host is neither taken for the new version nor in its way."""
    fleet.deploy()
    second = fleet.train(topology_of(), SAMPLES + 1)
    fleet.upgrade(second)
    record = fleet.out / "deployment.json"
    known = json.loads(record.read_text())
    known["current"], known["versions"] = known["versions"][0]["name"], known["versions"][:1]
    record.write_text(json.dumps(known))
    assert "host cloud: has version 0002-" in str(fleet.status(code=1)["differs"])
    assert "-> 0003-" in fleet.upgrade(second)
    fleet.ddnn("deploy", "start", fleet.out)
    assert fleet.status()["version"] == fleet.current("cloud").removeprefix("versions/")


def test_of_two_upgrades_at_once_all_hosts_have_one_and_the_record_says_which(fleet):
    """Or neither, where each was first on one host; never one here and the other there."""
    fleet.deploy()
    bundles = [fleet.train(topology_of(), SAMPLES + more).bundle.folder for more in (1, 2)]
    said = fleet.ddnn_at_once(*(("deploy", "upgrade", fleet.out, bundle) for bundle in bundles))
    assert sum("-> 0002-" in each for each in said) <= 1
    version = fleet.status(code=1)["version"]
    assert fleet.current("north") == fleet.current("cloud") == f"versions/{version}"
    assert os.readlink(fleet.out / "current") == f"versions/{version}"
    fleet.ddnn("deploy", "start", fleet.out)
    assert fleet.status()["version"] == version


def test_a_full_disk_on_one_host_is_named_and_leaves_all_as_they_were(net, tmp_path):
    place = tmp_path / "on/cloud"
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", place], check=True)
    try:
        fleet = Fleet(net, tmp_path)  # whose sshd sees what is mounted by then
        said = fleet.deploy(code=1)
        assert said.startswith("ddnn: host cloud: ")
        assert "No space left on device" in said
        assert said.count("\n") == 1
        assert list((place / "versions").iterdir()) == []
        assert list((fleet.place("north") / "versions").iterdir()) == []
        assert not fleet.out.exists()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_host_with_another_key_than_the_known_one_gets_nothing(fleet):
    lines = fleet.known.read_text().splitlines()
    fleet.known.write_text("\n".join([lines[0], lines[0].replace("10.78.0.2", "10.78.0.3")]) + "\n")
    said = fleet.deploy(code=1)
    assert said.startswith("ddnn: host cloud (10.78.0.3:22): Host key is not trusted")
    assert "ssh-keyscan" in said
    fleet.known.unlink()
    assert "its key is not known, no " in fleet.deploy(code=1)
    assert not fleet.place("north").exists()


def test_a_host_without_ddnn_is_named(fleet):
    text = fleet.hosts.read_text()
    bare = fleet.folder / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys._base_executable} -S -E "$@"\n')
    bare.chmod(0o755)
    fleet.hosts.write_text(text.replace("cloud: {", f"cloud: {{python: {bare}, "))
    said = fleet.deploy(code=1)
    assert f"host cloud: {bare} has no ddnn of this version" in said
    assert not (fleet.place("north") / "versions").exists()
