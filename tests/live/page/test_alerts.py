"""Each shipped rule fires when it should, after its time, and not before: promtool's own clock."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

TEXT = (files("ddnn.live.page") / "monitoring" / "alerts.yml").read_text()
RULES = {rule["alert"]: rule for rule in yaml.safe_load(TEXT)["groups"][0]["rules"]}
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs prometheus")
ALL = {"instance": "a", "job": "ddnn"}
CALM = {
    "ddnn_running": "1+0x90",
    'ddnn_node_up{node="cam1"}': "1+0x90",
    'ddnn_verdicts_total{exit="local",class="car"}': "0+600x90",
    "ddnn_degraded_verdicts_total": "0+12x90",
    'ddnn_missing_views_total{device="cam1"}': "0+30x90",
    'ddnn_entropy_sum{exit="local"}': "0+150x90",
    'ddnn_entropy_count{exit="local"}': "0+600x90",
    "ddnn_validation_entropy": "0.2+0x90",
    'ddnn_device_drift{device="cam1"}': "1.2+0x90",
    'ddnn_device_drift_by_chance{device="cam1"}': "1.9+0x90",
    "ddnn_disk_bytes": "1000+0x90",
    "ddnn_disk_free_bytes": "400+0x90",
}
"""By the minute, for an hour and a half, with the labels of ALL."""
TROUBLE: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "DdnnNodeGone": (
        {'ddnn_node_up{node="cam1"}': "1+0x40 0+0x50"},
        {"node": "cam1"},
        "cam1 is gone; samples are answered without it.",
    ),
    "DdnnDegraded": (
        {"ddnn_degraded_verdicts_total": "0+12x40 480+60x50"},
        {},
        "10% of the samples are answered by a shallower exit than wanted.",
    ),
    "DdnnNoVerdicts": (
        {'ddnn_verdicts_total{exit="local",class="car"}': "0+600x40 24000+0x50"},
        {},
        "It runs, and no sample has been answered for two minutes.",
    ),
    "DdnnViewsMissing": (
        {'ddnn_missing_views_total{device="cam1"}': "0+30x40 1200+480x50"},
        {"device": "cam1"},
        "More than half of the verdicts come without cam1.",
    ),
    "DdnnEntropyDrift": (
        {'ddnn_entropy_sum{exit="local"}': "0+150x40 6000+360x50"},
        {},
        "Mean entropy is 400m away from that of the validation samples: has a camera been moved?",
    ),
    "DdnnCameraMoved": (
        {'ddnn_device_drift{device="cam1"}': "1.2+0x40 2.5+0x50"},
        {"device": "cam1"},
        "cam1 gives scores unlike those of validation: has its camera been moved?",
    ),
    "DdnnDiskFull": (
        {"ddnn_disk_free_bytes": "400+0x40 40+0x50"},
        {},
        "4% of the disk of the report's folder are free.",
    ),
}
"""By rule: what goes wrong after 40 minutes, and what is then told, of which labels."""


def labelled(name: str, **labels: str) -> str:
    known, _, more = name.removesuffix("}").partition("{")
    own = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{known}{{{own}{',' if more else ''}{more}}}"


def judged(folder: Path, series: dict[str, str], expected: list[dict[str, Any]]) -> str:
    """What promtool finds wrong; empty where all is as expected."""
    (folder / "alerts.yml").write_text(TEXT)
    inputs = [{"series": labelled(n, **ALL), "values": v} for n, v in series.items()]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": expected}
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [test]}
    path = folder / "tests.yml"
    path.write_text(yaml.safe_dump(document))
    command = ["promtool", "test", "rules", path]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def quiet(at: str) -> list[dict[str, Any]]:
    return [{"eval_time": at, "alertname": name, "exp_alerts": []} for name in RULES]


def test_each_rule_has_its_trouble():
    assert set(TROUBLE) == set(RULES)


def test_nothing_fires_while_all_is_well(tmp_path):
    assert judged(tmp_path, CALM, quiet("30m") + quiet("90m")) == ""


@pytest.mark.parametrize("name", TROUBLE)
def test_a_rule_fires_when_its_trouble_has_lasted_and_no_other_does(name, tmp_path):
    series, labels, summary = TROUBLE[name]
    rule = RULES[name]
    fired = {
        "exp_labels": rule["labels"] | labels | ({} if "on ()" in rule["expr"] else ALL),
        "exp_annotations": {"summary": summary},
    }
    expected = [{"eval_time": "85m", "alertname": name, "exp_alerts": [fired]}]
    expected += [each for each in quiet("85m") if each["alertname"] != name]
    expected += quiet("40m")  # not yet
    if name == "DdnnNoVerdicts":  # of nothing, no share and no mean
        expected = [each for each in expected if each["alertname"] == name]
    assert judged(tmp_path, CALM | series, expected) == ""
