"""Recorded links: what is wrong in a file is named with its line; runs go through them whole."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from builders import star_topology
from networks import Trainer

from ddnn.errors import ConfigError
from ddnn.report.verdicts import UNANSWERED
from ddnn.run.failures.plan import FailurePlan, failure_by_hand, parse_failure, read_plan
from ddnn.run.failures.traces import MAX_STEPS, read_trace
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import failure_entry
from ddnn.wire.trace import TraceStep

HEADER = "time_s,latency_ms,loss,bandwidth_kbps\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "radio.csv"
    path.write_text(text)
    return path


def test_a_trace_is_read(tmp_path):
    path = written(tmp_path, HEADER + "0,12,0.001,27000\n0.1,48,0.03,\n")
    assert read_trace(path) == (TraceStep(0, 12, 0.001, 27000), TraceStep(0.1, 48, 0.03, 0))


def test_columns_may_be_missing_and_in_any_order(tmp_path):
    assert read_trace(written(tmp_path, "loss,time_s\n0.5,2\n")) == (TraceStep(2, loss=0.5),)


WRONG = {
    "unknown column": ("time_s,delay\n0,1\n", "line 1: got column 'delay', want time_s, latency"),
    "no time": ("latency_ms\n1\n", "line 1: want time_s and at least one more of "),
    "only time": ("time_s\n1\n", "line 1: want time_s and at least one more of "),
    "empty": ("", "line 1: want time_s and at least one more of "),
    "no lines": (HEADER, "0 lines, want 1 to 1000"),
    "too many": (HEADER + "".join(f"{n},1,0,\n" for n in range(MAX_STEPS + 1)), "1001 lines, want"),
    "too few cells": (HEADER + "0,1\n", "line 2: 2 cells, want 4"),
    "no number": (HEADER + "0,1,0,\n1,fast,0,\n", "line 3: latency_ms: got 'fast', want 0 to 60"),
    "nan": (HEADER + "0,nan,0,\n", "line 2: latency_ms: got 'nan', want 0 to 60000"),
    "loss in per cent": (HEADER + "0,1,5,\n", "line 2: loss: got '5', want 0 to 1"),
    "no bandwidth at all": (
        HEADER + "0,1,0,0\n",
        "line 2: bandwidth_kbps: got '0', want more than",
    ),
    "backwards": (HEADER + "0,1,0,\n2,1,0,\n1,1,0,\n", "line 4: time_s: got 1, want more than 2"),
}


@pytest.mark.parametrize(("text", "wanted"), WRONG.values(), ids=WRONG)
def test_a_wrong_trace_is_named_with_its_line(tmp_path, text, wanted):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}: {wanted}")
    assert "\n" not in str(caught.value)


def entry(kind: str, **more: object) -> dict[str, object]:
    return {"at": {"seconds": 0}, "link": ["cam0", "gateway"], "kind": kind, **more}


def test_a_plan_finds_its_trace_beside_itself_and_the_report_names_it(tmp_path):
    written(tmp_path, HEADER + "0,12,0,\n")
    path = tmp_path / "mine.yaml"
    failures = [entry("trace", file="radio.csv")]
    path.write_text(yaml.safe_dump({"topology": "star", "failures": failures}))
    (failure,) = read_plan(path).failures
    assert failure.link_fault().steps == (TraceStep(0, 12, 0, 0),)
    assert failure_entry(failure, 0)["file"] == "radio.csv"


def test_a_plan_whose_trace_is_missing_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump({"topology": "star", "failures": [entry("trace", file="no.csv")]})
    )
    with pytest.raises(ConfigError, match=r"no\.csv: No such file or directory, want a trace"):
        read_plan(path)


REFUSED = {
    "nothing": (entry("trace"), "trace: want either file or steps"),
    "a rate for a trace": (entry("trace", steps=[[0, 1]], share=0.5), "trace: has no share"),
    "a file for a delay": (entry("delay", file="x.csv"), "delay: has no file"),
    "coins": (
        entry("bitflip", bit_error_rate=0.7),
        "bit_error_rate: got 0.7, want less than or equal to 0.5",
    ),
}


@pytest.mark.parametrize(("fields", "wanted"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_failure_is_refused(fields, wanted):
    with pytest.raises(ConfigError) as caught:
        parse_failure(fields)
    assert wanted in str(caught.value)


def test_a_trace_by_hand_wants_its_steps():
    asked = {"node": "cam0", "kind": "trace", "file": "radio.csv"}
    with pytest.raises(ConfigError, match="got a file that was not read"):
        failure_by_hand(asked, star_topology())


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("bundles"))


def plan(topology, *failures: dict[str, object]) -> FailurePlan:
    return FailurePlan(topology=topology.name, failures=tuple(map(parse_failure, failures)))


def test_samples_behind_a_trace_are_late_and_those_it_loses_are_masked(train):
    topology = star_topology()
    trained = train(topology, 60)
    views = trained.samples.views_NVCHW
    late = plan(topology, entry("trace", steps=[[0, 30], [1e6, 0]]))
    found = run_inprocess(trained.bundle, views, plan=late, window=1)
    assert found.present_NV.all()
    assert found.latency_N.min() >= 0.03
    lost = plan(topology, entry("trace", steps=[[0, 0, 1.0]]))
    found = run_inprocess(trained.bundle, views, plan=lost, window=1)
    local_N = found.exit_N == 0
    assert local_N.any()
    assert not found.present_NV[local_N, 0].any()
    assert found.present_NV[local_N, 1:].all()


def test_flipped_bits_change_verdicts_and_lose_no_sample(train):
    topology = star_topology()
    trained = train(topology, 60)
    views = trained.samples.views_NVCHW
    healthy = run_inprocess(trained.bundle, views, window=1)
    flips = [
        {"at": {"sample": 0}, "node": name, "kind": "bitflip", "bit_error_rate": 0.3}
        for name in topology.devices
    ]
    found = run_inprocess(trained.bundle, views, plan=plan(topology, *flips), window=1)
    assert (found.predicted_N != UNANSWERED).all()
    assert np.isfinite(found.entropy_N).all()
    assert (found.predicted_N != healthy.predicted_N).any()
