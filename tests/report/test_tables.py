"""Tables show what a report of an in-process run holds."""

from io import StringIO

import numpy as np
import pytest
from builders import random_views, star_topology
from networks import Trainer, random_run
from rich.console import Console

from ddnn.report.tables import failure_line, interval, percent, print_launch, print_offline
from ddnn.report.tally import Tally
from ddnn.run.failures.orders import Order
from ddnn.run.failures.plan import parse_failure, plan_of
from ddnn.run.inprocess import run_inprocess
from ddnn.run.launcher.history import History
from ddnn.run.launcher.start import Watcher
from ddnn.run.outcome import NodeState, build_report, failure_entry
from ddnn.training.evaluate import evaluate
from ddnn.training.evaluate import report as evaluation_report

FAILURES = [
    (parse_failure({"node": "cam1", "kind": "kill", "at": {"sample": 20}}), 20),
    (parse_failure({"node": "cam0", "kind": "delay", "jitter_ms": 5, "at": {"seconds": 1}}), 3),
    (parse_failure({"node": "gateway", "kind": "hang", "at": {"seconds": 9.5}}), None),
]
"""With the sample that each one met."""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict:
    topology = star_topology()
    trained = Trainer(tmp_path_factory.mktemp("bundles"))(topology, 40)
    plan = plan_of(topology, kills=["cam1@20"])
    collector = run_inprocess(trained.bundle, trained.samples.views, plan=plan)
    history, tally = History(Watcher()), Tally(tuple(topology.exits), topology.classes)
    for answer in collector.kept:
        tally.add(answer, int(trained.samples.fused_labels_N[answer.sample]))
    for failure, at in FAILURES:
        history.add(failure_entry(failure, at))
    history.add(failure_entry(*FAILURES[1]), Order(FAILURES[1][0]))
    return build_report(
        collector,
        trained.bundle,
        tally,
        states={name: NodeState(state="running") for name in topology.nodes},
        history=history,
        duration_s=2.0,
        ready_s=1.0,
    )


def printed(report: dict) -> str:
    out = StringIO()
    print_launch(report, Console(file=out, width=160))
    return out.getvalue()


def test_a_launch_shows_exits_links_nodes_and_failures(report):
    text = printed(report)
    for name in ("local", "cloud", "overall", "cam0", "cam1", "gateway", "cam0 → gateway"):
        assert name in text
    assert "cam1: kill before sample 20\n" in text
    assert "cam0: delay (delay_ms 50, jitter_ms 5) before sample 3\n" in text
    assert (
        "cam0: delay (delay_ms 50, jitter_ms 5) before sample 3 not applied: took no order" in text
    )
    assert "gateway: hang at 9.5 s not applied: the run was over by then\n" in text
    assert "40 of 40 samples answered" in text
    assert "20 samples/s" in text


def rows(text: str) -> list[list[str]]:
    """The cells of all tables, their heads included."""
    lines = [line.replace("┃", "│") for line in text.splitlines()]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if "│" in line]


def test_each_column_of_a_launch_shows_what_its_head_says(report):
    exit_ = {"samples": 30, "share": 0.75, "accuracy": 0.9}
    latency = {"local": {"p50": 1.23, "p95": 4.56, "p99": 7.89}}
    link = {
        "from": "cam0", "to": "gateway", "kind": "scores", "data": True, "messages": 11,
        "rows": 22, "payload": 33, "zmtp": 44, "ip": 55,
    }  # fmt: skip
    control = [link | {"kind": kind, "data": False} for kind in ("ask", "heartbeat")]
    node = {
        "state": "killed", "sent_bytes": 66, "received_bytes": 77, "resident_mb": 88.4,
        "events": {"late": 2, "duplicate": 0},
    }  # fmt: skip
    changed = report | {
        "exits": {"local": exit_, "cloud": exit_ | {"samples": 0, "accuracy": None}},
        "latency_ms": latency,
        "bytes": report["bytes"] | {"links": [link, *control]},
        "nodes": {"cam0": node, "cam1": node | {"resident_mb": None}},
    }
    shown = rows(printed(changed))
    assert ["exit", "answers", "share", "right", "p50 ms", "p95 ms", "p99 ms"] in shown
    assert ["local", "30", "75.0%", "90.0%", "1.2", "4.6", "7.9"] in shown
    assert ["cloud", "0", "75.0%", "–", "–", "–", "–"] in shown
    assert ["link", "kind", "messages", "samples", "payload", "ZMTP", "IP"] in shown
    assert ["cam0 → gateway", "scores", "11", "22", "33", "44", "55"] in shown
    assert ["all links", "control", "22", "44", "0", "88", "110"] in shown
    assert ["node", "state", "sent B", "received B", "memory MB", "noted"] in shown
    assert ["cam0", "killed", "66", "77", "88", "2 late"] in shown
    assert ["cam1", "killed", "66", "77", "–", "2 late"] in shown


def test_each_column_of_an_evaluation_shows_what_its_head_says():
    samples = random_views(star_topology(), 40)
    run = random_run(star_topology(), samples)
    document = evaluation_report(run, evaluate(run, samples))
    document["failures"] = [failure_entry(*FAILURES[0])]
    local = document["exits"]["local"]
    local |= {"share": 0.25, "accuracy": 0.5, "threshold": 0.1234, "all_samples_accuracy": 0.75}
    local["all_samples_interval"] = (0.6, 0.8)
    out = StringIO()
    print_offline(document, Console(file=out, width=160))
    shown = rows(out.getvalue())
    assert ["exit", "all samples", "95 % interval", "answers", "right", "T"] in shown
    assert ["local", "75.0%", "60.0% – 80.0%", "25.0%", "50.0%", "0.123"] in shown
    cloud, overall = document["exits"]["cloud"], document["accuracy"]
    assert ["cloud", percent(cloud["all_samples_accuracy"])] in [row[:2] for row in shown]
    bounds = interval(document["accuracy_interval"])
    assert ["overall", percent(overall), bounds, "", "", ""] in shown
    for name, part in document["classes"].items():
        assert f"{name} {part['correct']}/{part['samples']}" in out.getvalue()
    assert "cam1: kill before sample 20\n" in out.getvalue()
    payload = document["bytes"]["per_device_sample"]["payload"]
    assert f"payload: {payload:.1f} bytes per device and sample" in out.getvalue()


def test_what_did_not_go_well_is_said_and_nothing_else(report):
    assert "interrupted" not in printed(report)
    assert "paused" not in printed(report)
    note = {"what": "control socket", "said": "too many open files", "times": 3}
    more = {"notes": [note], "paused_s": 7.25, "failures_left_out": 9, "unwritten": ["disk full"]}
    more |= {"interrupted": True, "why": "KeyboardInterrupt", "samples_wanted": 90}
    text = printed(report | more)
    for line in (
        "control socket: too many open files (3 times)",
        "paused for 7.2 s: no device was heard",
        "9 more failures are not listed",
        "interrupted (KeyboardInterrupt): 40 of 90 samples",
        "disk full",
    ):
        assert f"\n{line}\n" in text


def test_bytes_stand_beside_their_equation_and_the_kernels_count_where_there_are_such(report):
    assert "(equation " in printed(report)
    assert "by the kernel" not in printed(report)
    kernel = {"zmtp": 900, "kernel": 900, "difference": 0, "connections": 7}
    counted = report["bytes"] | {"kernel": kernel, "per_device_sample_equation": None}
    text = printed(report | {"bytes": counted})
    assert "(equation " not in text
    assert "900 B counted, 900 B by the kernel on 7 ends of connections, difference 0" in text


def test_a_report_is_json(report):
    assert report["answered"] == 40
    assert report["throughput_samples_per_s"] == 20
    assert not [path for path, value in leaves(report) if isinstance(value, np.generic)]
    assert not [path for path, value in leaves(report) if str(value) == "nan"]


def leaves(value: object, path: str = "") -> list[tuple[str, object]]:
    """Every value of a nested document, and where it stands."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}")]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in leaves(inner, f"{path}[]")]
    return [(path, value)]


def test_nothing_is_shown_as_a_dash():
    assert (percent(None), interval(None)) == ("–", "–")
    assert (percent(0.985), interval((0.9, 1.0))) == ("98.5%", "90.0% – 100.0%")


def test_what_a_camera_lacks_is_said_in_words():
    assert failure_line({"node": "cam1", "kind": "no-view", "sample": 25}) == (
        "cam1: no view in time before sample 25"
    )
    assert (
        failure_line({"node": "cam1", "kind": "kill", "sample": 3}) == "cam1: kill before sample 3"
    )
