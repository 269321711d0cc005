"""What Prometheus is told: names, values, and that every shipped query finds something."""

import json
import math
import re
import subprocess
from importlib.resources import as_file
from pathlib import Path

import pytest
import yaml
from builders import star_topology
from events import begin, failure, links, nodes, verdict
from launched_page import launched, trained_with_card
from scraping import SHIPPED, asked, needs_prometheus, prometheus
from waiting import wait_until

from ddnn.live.page.batch import batches
from ddnn.live.page.metrics import Metrics
from ddnn.report.reference import Reference

RULES = yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"][0]["rules"]
BOARD = json.loads((SHIPPED / "board.json").read_text())
QUERIES = [
    *(target["expr"] for panel in BOARD["panels"] for target in panel["targets"]),
    *(note["expr"].removesuffix(" > 0") for note in BOARD["annotations"]["list"]),
]


REFERENCE = Reference(
    samples=10,
    mean_entropy=0.3,
    entropy=[10] + [0] * 19,
    exits={"local": 8, "cloud": 2},
    scores={"cam0": [80, 20] + [0] * 14},
)


def metrics(folder: Path | None = None) -> Metrics:
    found = Metrics(star_topology(), folder=folder, reference=REFERENCE)
    events = (
        begin(star_topology()), nodes(cam0="running", cam1="silent"), verdict(),
        verdict(exit="cloud", present="101", right=False, degraded=True), verdict(exit=None),
        failure("cam1", "hang"), links(5, samples=10, payload=120),
    )  # fmt: skip
    for event in batches(events, math.inf):
        found.take(event)
    return found


def values(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_what_happened_is_counted():
    found = values(metrics().text()[0].decode())
    assert found['ddnn_verdicts_total{class="car",exit="local"}'] == 1
    assert found['ddnn_verdicts_total{class="car",exit="none"}'] == 1
    assert found["ddnn_degraded_verdicts_total"] == 1
    assert found["ddnn_labelled_verdicts_total"] - found["ddnn_right_verdicts_total"] == 1
    assert found['ddnn_missing_views_total{device="cam1"}'] == 1
    assert found['ddnn_node_up{node="cam0"}'] == 1
    assert found['ddnn_node_state{node="cam1",state="silent"}'] == 1
    assert (
        found['ddnn_link_bytes_total{from="cam0",kind="scores",level="payload",to="gateway"}']
        == 120
    )
    assert found['ddnn_node_events_total{node="cam0",reason="late"}'] == 3
    assert found['ddnn_failures_total{kind="hang",node="cam1"}'] == 1
    assert found['ddnn_exit_threshold{exit="local"}'] == 0.8
    assert found['ddnn_entropy_count{exit="local"}'] == 1
    assert found["ddnn_validation_entropy"] == 0.3
    assert found['ddnn_validation_exit_share{exit="local"}'] == 0.8
    drift = [found[f'ddnn_device_drift{more}{{device="cam0"}}'] for more in ("", "_by_chance")]
    assert drift[0] > drift[1] > 1


def test_what_has_not_happened_is_nought_and_not_missing():
    found = values(Metrics(star_topology()).text()[0].decode())
    assert found['ddnn_verdicts_total{class="bus",exit="cloud"}'] == 0
    assert found['ddnn_node_up{node="cam2"}'] == 0
    assert found['ddnn_node_events_total{node="gateway",reason="late"}'] == 0


@needs_prometheus
def test_promtool_finds_nothing_to_mend(tmp_path):
    text, kind = metrics(tmp_path).text()
    assert kind.startswith("text/plain")
    done = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=text, capture_output=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    with as_file(SHIPPED / "alerts.yml") as path:
        subprocess.run(["promtool", "check", "rules", path], check=True, capture_output=True)


def test_every_metric_that_is_asked_for_is_told(tmp_path):
    told = set(re.findall(r"^(ddnn_\w+)", metrics(tmp_path).text()[0].decode(), re.MULTILINE))
    asked = {
        name
        for query in [*QUERIES, *(rule["expr"] for rule in RULES)]
        for name in re.findall(r"ddnn_\w+", query)
    }
    assert asked - told == set()


@needs_prometheus
@pytest.mark.process
def test_every_query_of_the_board_and_the_rules_finds_a_real_launch(tmp_path):
    """Each panel has a line; each rule's left side has a value, and one fires: cam1 is dead."""
    trained = trained_with_card(tmp_path, star_topology(), 200)
    with (
        launched(tmp_path, trained, "--rate", "50", "--rounds", "9999", "--kill", "cam1@60") as run,
        prometheus(tmp_path, run[0].removeprefix("http://").rstrip("/")) as address,
    ):
        for query in QUERIES:
            if "validation" not in query and "drift" not in query:
                wait_until(
                    lambda query=query: (asked(address, "query", query=query) or {}).get("result")
                )

        def states() -> dict[str, str]:
            groups = (asked(address, "rules") or {"groups": []})["groups"]
            return {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}

        wait_until(lambda: states().get("DdnnNodeGone") == "firing")
        fired = asked(address, "alerts")["alerts"]
        gone = next(each for each in fired if each["labels"]["alertname"] == "DdnnNodeGone")
        assert gone["annotations"]["summary"] == "cam1 is gone; samples are answered without it."
        assert set(states()) == {rule["alert"] for rule in RULES}
        assert states()["DdnnDiskFull"] == "inactive"
        health = [r["health"] for g in asked(address, "rules")["groups"] for r in g["rules"]]
        assert set(health) == {"ok"}
        for rule in RULES:
            if not re.search("validation|drift", rule["expr"]):
                left = re.sub(r"( > [\d.]+| < [\d.]+)$", "", rule["expr"].strip())
                if "==" not in left:
                    assert asked(address, "query", query=left)["result"], rule["alert"]
