"""Rows of record, medians, and the commit that a version is compared with."""

import csv
import shutil
from pathlib import Path

import pytest

from ddnn.bench.measurement import checkout, ratios
from ddnn.bench.record import add_row, advice, origin
from ddnn.errors import ConfigError

RESULT = {
    "zmq_scatter_gather_us": {"p50": 200.0},
    "tcp_scatter_gather_us": {"p50": 100.0},
    "section_us": 50.0,
    "fair_us": {"p50": 500.0},
    "fair_processor_us": 800.0,
    "processor_us": 1200.0,
    "latency_us": {"local": {"p50": 1000.0}},
    "throughput_samples_per_s": 6000.0,
    "ceiling_samples_per_s": 5000.0,
    "naive_samples_per_s": 100.0,
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_is_added_to_those_that_are_there(tmp_path: Path):
    path = tmp_path / "speed.csv"
    add_row(path, {"commit": "one", "latency_us": {"local": {"p50": 1234.56}}})
    add_row(path, {"commit": "two", "degraded": 3})
    assert rows_of(path) == [
        {"commit": "one", "latency_us.local.p50": "1235", "degraded": ""},
        {"commit": "two", "latency_us.local.p50": "", "degraded": "3"},
    ]


def test_a_row_says_on_what_it_was_measured():
    found = origin()
    assert found["processor"]
    assert "pyzmq=" in found["versions"]


@pytest.mark.parametrize("build", ["pgo", "pgo+lto", "distribution"])
def test_a_fast_python_is_nothing_to_speak_of(build: str):
    assert advice(build) == ""


def test_of_a_slow_python_it_is_said_what_to_take_instead():
    assert "make PYTHON=" in advice("plain")


def test_latency_is_told_over_each_floor():
    found = ratios(RESULT, "local")
    assert found["latency_over_fair_floor"] == 2.0
    assert found["latency_over_floor"] == 4.0
    assert found["latency_over_tcp"] == 10.0
    assert found["processor_over_fair_floor"] == 1.5
    assert found["throughput_over_ceiling"] == 1.2


def test_where_there_is_no_naive_way_nothing_is_said_of_it():
    assert ratios(RESULT | {"naive_samples_per_s": None}, "local")["throughput_over_naive"] is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_that_is_none_is_refused_by_name():
    with pytest.raises(ConfigError, match="--compare no-such-commit"), checkout("no-such-commit"):
        pass
