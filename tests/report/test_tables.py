"""Tables show what a report of an in-process run holds."""

from io import StringIO

import numpy as np
import pytest
from builders import star_topology
from networks import Trainer
from rich.console import Console

from ddnn.report.tables import interval, percent, print_launch
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import NodeState, build_report
from ddnn.run.plan import plan_of


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict:
    topology = star_topology()
    trained = Trainer(tmp_path_factory.mktemp("bundles"))(topology, 40)
    plan = plan_of(topology, kills=["cam1@20"])
    collector = run_inprocess(trained.bundle, trained.samples.views_NVCHW, plan=plan)
    return build_report(
        collector,
        trained.bundle,
        trained.samples.fused_labels_N,
        states={name: NodeState(state="running") for name in topology.nodes},
        failures=[{"node": "cam1", "kind": "kill", "sample": 20}],
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
    assert "cam1: kill at sample 20" in text
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
