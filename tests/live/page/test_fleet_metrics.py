"""What a fleet tells Prometheus: the names and labels of a launch, with the site beside them."""

import math
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import star_topology
from launched import Commands, on_two_hosts
from networks import Trainer
from ports import free_endpoints, free_port
from scraping import asked, needs_prometheus, prometheus
from waiting import wait_until

from ddnn.bundle.place import place_bundle
from ddnn.errors import TransportError
from ddnn.live.page.fleet import FleetEndpoint, metrics_text
from ddnn.live.page.metrics import Metrics
from ddnn.nodes.fleet import SiteStanding
from ddnn.run.fleet import Standing
from ddnn.run.launcher.launch import Options, launch
from ddnn.topology import Topology
from ddnn.wire.messages import Kind, LinkCount

SITE = SiteStanding(
    is_running=True,
    used_s=1.5,
    links=[
        LinkCount(link=("cam0", "cloud"), kind=Kind.FEATURES, sent=False, messages=2, payload=64),
        LinkCount(link=("cloud", "collector"), kind=Kind.VERDICT, sent=True, messages=2, rows=9),
    ],
    events={"over-budget": 4},
)


def standing(**changes: Any) -> Standing:
    calm = Standing(
        node="cloud",
        sites={"north": SITE, "south": replace(SITE, is_running=False)},
        digests={"north": "ab", "south": "cd"},
        missing=(),
        looked_s=time.monotonic(),
    )
    return replace(calm, **changes)


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_what_each_site_did_is_told_under_its_name():
    found = values(metrics_text(lambda: standing(missing=("east",))))
    assert found["ddnn_running"] == 1  # of the process: rules compare it without a site
    assert found['ddnn_site_running{site="south"}'] == 0
    assert found['ddnn_node_up{node="cloud",site="north"}'] == 1
    assert found['ddnn_node_up{node="cloud",site="east"}'] == 0
    link = 'from="cam0",kind="features",{}site="north",to="cloud"'
    assert found[f"ddnn_link_messages_total{{{link.format('')}}}"] == 2
    level = 'level="payload",'
    assert found[f"ddnn_link_bytes_total{{{link.format(level)}}}"] == 64
    assert found['ddnn_node_events_total{node="cloud",reason="over-budget",site="north"}'] == 4
    assert found['ddnn_node_events_total{node="cloud",reason="late",site="north"}'] == 0
    assert found['ddnn_site_busy_seconds_total{site="north"}'] == 1.5
    assert found['ddnn_site_answers_total{site="north"}'] == 9
    assert found['ddnn_run_info{bundle_sha256="cd",site="south",topology="south"}'] == 1
    assert found['ddnn_node_resident_bytes{node="cloud"}'] > 1e7


def test_no_site_runs():
    idle = {name: replace(SITE, is_running=False) for name in ("north", "south")}
    assert values(metrics_text(lambda: standing(sites=idle)))["ddnn_running"] == 0


def test_what_a_launch_tells_too_is_told_in_its_words():
    """Name, kind and help are one: a Prometheus that scrapes both shows them as one metric."""

    def said(text: str) -> set[str]:
        return set(re.findall(r"^# (?:HELP|TYPE) .*$", text, re.MULTILINE))

    of_a_launch = said(Metrics(star_topology()).text()[0].decode())
    own = {line for line in said(metrics_text(standing)) if " ddnn_site_" not in line}
    assert own <= of_a_launch


@needs_prometheus
def test_promtool_finds_nothing_to_mend_in_a_fleets():
    text = f"{metrics_text(standing)}\n".encode()
    done = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=text, capture_output=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.fixture
def endpoint() -> Iterator[FleetEndpoint]:
    with FleetEndpoint("127.0.0.1:0") as found:
        yield found


def get(address: str, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode().strip()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, (200, "ready")),
        ({"missing": ("east", "west")}, (503, "not ready: not served: east, west")),
        ({"sites": {}}, (503, "not ready: no site")),
        ({"looked_s": -math.inf}, (503, "not ready: no site has had a turn for inf s")),
    ],
    ids=["served", "one is missing", "none", "stuck"],
)
def test_a_fleet_is_ready_while_all_its_sites_are_served(endpoint, changes, said):
    address = f"127.0.0.1:{endpoint.port}"
    for path in ("/readyz", "/metrics"):
        assert get(address, path) == (503, "not ready: sites are being opened")
    endpoint.show(lambda: standing(**changes))
    assert get(address, "/readyz") == said
    assert get(address, "/healthz") == (200, "ok")


def test_other_questions_and_those_of_browsers_are_refused(endpoint):
    address = f"127.0.0.1:{endpoint.port}"
    assert get(address, "/verdicts") == (404, "no /verdicts here")
    assert get(address, "/metrics", Host="elsewhere.example")[0] == 421
    assert get(address, "/metrics", Origin="http://elsewhere.example")[0] == 403


def test_a_port_that_is_taken_is_named(endpoint):
    address = f"127.0.0.1:{endpoint.port}"
    with pytest.raises(TransportError, match=f"^--listen: cannot listen at {address}, Address al"):
        FleetEndpoint(address)


class Served(Commands):
    """A fleet of `north` and of `south`, which has no bundle; its page is at `address`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        topology = Topology.model_validate(on_two_hosts(seconds=10) | {"name": "north"})
        topology = topology.with_endpoints(free_endpoints(topology))
        self.trained = Trainer(folder / "trained")(topology, 60)
        self.north = place_bundle(self.trained.bundle.folder, topology, folder / "north")
        self.address = f"127.0.0.1:{free_port()}"
        sites = {name: {"bundle": name} for name in ("north", "south")}
        (folder / "fleet.yaml").write_text(yaml.safe_dump({"sites": sites}))
        command = ("-m", "ddnn", "fleet", "fleet.yaml", "cloud", "--listen", self.address)
        self.cloud = self.start("cloud.log", *command)

    def found(self, path: str = "/readyz") -> tuple[int, str]:
        """Nothing (0) while nobody listens."""
        assert self.cloud.poll() is None, self.said("cloud.log")
        try:
            return get(self.address, path)
        except OSError:
            return 0, ""


@needs_prometheus
@pytest.mark.process
def test_a_real_prometheus_scrapes_a_fleet_whose_counts_are_the_launchs(tmp_path):
    served = Served(tmp_path)
    try:
        wait_until(lambda: served.found() == (503, "not ready: not served: south"))
        outcome = launch(served.north, served.trained.samples, Options(host="site"))
        wait_until(lambda: "north: its run is over" in served.said("cloud.log"))
        counted = values(served.found("/metrics")[1])
        data = [e for e in outcome.report["bytes"]["links"] if e["data"] and e["to"] == "cloud"]
        assert data
        for entry in data:
            labels = 'from="{from}",kind="{kind}",level="payload",site="north",to="cloud"'
            name = f"ddnn_link_bytes_total{{{labels.format(**entry)}}}"
            assert counted[name] == entry["payload"]
        cloud = outcome.report["exits"]["cloud"]["samples"]
        assert counted['ddnn_site_answers_total{site="north"}'] == cloud > 0
        assert counted['ddnn_site_busy_seconds_total{site="north"}'] > 0
        with prometheus(tmp_path, served.address) as address:
            query = 'ddnn_node_up{site="south"} == 0 and on (instance, job) ddnn_running == 0'
            wait_until(lambda: (asked(address, "query", query=query) or {}).get("result"))
    finally:
        served.close()
