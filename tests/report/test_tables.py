"""Tables show what a report of an in-process run holds."""

from io import StringIO

import numpy as np
import pytest
from builders import star_topology
from networks import Trainer
from rich.console import Console

from ddnn.report.tables import interval, percent, print_launch
from ddnn.report.tally import Tally
from ddnn.run.history import History
from ddnn.run.inprocess import run_inprocess
from ddnn.run.orders import Order
from ddnn.run.outcome import NodeState, build_report, failure_entry
from ddnn.run.plan import parse_failure, plan_of
from ddnn.run.prepare import Watcher

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
    collector = run_inprocess(trained.bundle, trained.samples.views_NVCHW, plan=plan)
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
