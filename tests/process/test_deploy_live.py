"""Cameras on several hosts, deployed over ssh and served live; in namespaces, needs root."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from deployed import ADDRESSES, MARKS, SAMPLES, Fleet, topology_of
from waiting import wait_until

pytest.importorskip("asyncssh", reason="needs asyncssh")
pytest.importorskip("av", reason="needs PyAV")
pytestmark = MARKS
CAMERA = Path(__file__).parents[1] / "camera.py"
PASSWORDS = {"north": "n0rth/&secret", "site": "s1te secret"}
QUOTED = {"north": "n0rth%2F%26secret", "site": "s1te%20secret"}


class Live:
    """A camera on `north` and one on `site`, each with a password."""

    def __init__(self, fleet: Fleet, net) -> None:
        self.fleet, self._net = fleet, net
        for host, password in PASSWORDS.items():
            log = fleet.folder / f"camera-{host}.log"
            net.run(host, log, str(CAMERA), ADDRESSES[host], "8000", password)
            wait_until(log.read_text)
        self.secrets = fleet.folder / "north.env"
        self.secrets.write_text(f"CAM0_PASSWORD={PASSWORDS['north']}\n")
        self.secrets.chmod(0o600)
        sampling = "sample: {every_ms: 100}\nmatch_ms: 150\n"
        self.write_sources("north", "cam0", f"match_ms: 150\nsecrets: {self.secrets}\n")
        self.write_sources("site", "cam1", sampling)
        with fleet.hosts.open("a") as file:
            file.write("sources: {north: north.yaml, site: site.yaml}\n")

    def write_sources(self, host: str, device: str, more: str) -> None:
        name = f"{device.upper()}_PASSWORD"
        url = f"http://viewer:${{{name}}}@{ADDRESSES[host]}:8000/"
        text = f'{more}devices:\n  {device}: {{kind: video, url: "{url}"}}\n'
        (self.fleet.folder / f"{host}.yaml").write_text(text)

    def serve_until_both_cameras_are_seen(self) -> list[dict]:
        """Runs the collector until a verdict has both views, then as Ctrl-C ends it."""
        log = self.fleet.folder / "verdicts.jsonl"
        password = f"CAM1_PASSWORD={PASSWORDS['site']}"
        run = self.fleet.out / "current/run"
        process = self._net.start("site", log, "env", "--default-signal=INT", password, str(run))
        wait_until(lambda: '"present": "11"' in log.read_text() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
        return [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]

    def shown(self) -> str:
        """All that is written anywhere but in the file of secrets, and all command lines."""
        files = [path for path in self.fleet.folder.rglob("*") if path.is_file()]
        texts = [path.read_bytes() for path in files if path != self.secrets]
        ps = ["ps", "-eww", "-o", "args="]
        lines = subprocess.run(ps, capture_output=True, text=True, check=True).stdout.splitlines()
        own = [line for line in lines if str(CAMERA) not in line and "_PASSWORD=" not in line]
        return b"\n".join(texts).decode(errors="replace") + "\n".join(own)


def test_cameras_of_two_hosts_give_verdicts_and_no_password_leaves_its_host(fleet, net):
    live = Live(fleet, net)
    said = fleet.ddnn("deploy", "ssh", fleet.first.bundle.folder, "--hosts", fleet.hosts,
                      "--out", fleet.out)  # fmt: skip
    assert "served live" in said
    assert f"then serve: {fleet.out}/current/run" in said
    fleet.ddnn("deploy", "start", fleet.out)
    verdicts = live.serve_until_both_cameras_are_seen()
    assert verdicts[-1]["present"] == "11"
    report = json.loads((fleet.out / "report/report.json").read_text())
    assert report["answered"] >= len(verdicts)
    assert not list(fleet.place("north").rglob("views")) + list(fleet.out.rglob("data"))
    said = fleet.ddnn("logs", fleet.out)
    assert "cam0 listens at" in said
    shown = said + live.shown()
    assert not [word for word in (*PASSWORDS.values(), *QUOTED.values()) if word in shown]

    live.write_sources("site", "cam1", "sample: {every_ms: 200}\nmatch_ms: 150\n")
    second = fleet.train(topology_of(), SAMPLES + 1)
    upgrade = fleet.ddnn("deploy", "upgrade", fleet.out, second.bundle.folder)
    assert "-> 0002-" in upgrade
    assert "every_ms: 200" in (fleet.out / "current/sources.yaml").read_text()
    assert live.serve_until_both_cameras_are_seen()[-1]["present"] == "11"


def test_a_host_whose_secrets_others_can_read_is_named(fleet, net):
    live = Live(fleet, net)
    live.secrets.chmod(0o644)
    fleet.ddnn("deploy", "ssh", fleet.first.bundle.folder, "--hosts", fleet.hosts,
               "--out", fleet.out)  # fmt: skip
    said = fleet.ddnn("deploy", "start", fleet.out, code=1)
    assert "host north: does not come up: " in said
    assert "north.env" in said
    assert PASSWORDS["north"] not in said


def test_samples_are_not_chosen_where_cameras_give_them(fleet, net):
    Live(fleet, net)
    said = fleet.ddnn("deploy", "ssh", fleet.first.bundle.folder, "--hosts", fleet.hosts,
                      "--out", fleet.out, "--samples", "3", code=2)  # fmt: skip
    assert "cameras give the samples" in said
    assert not fleet.out.exists()
