"""The scripts that prove promises run, and fail where a promise is broken."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from builders import star_topology
from hierarchies import HIERARCHIES
from networks import Trainer
from waiting import node_processes

pytestmark = pytest.mark.study
RUNTIME = Path(__file__).resolve().parents[2] / "experiments" / "runtime"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return Trainer(tmp_path_factory.mktemp("run"))(star_topology(), 40).bundle.folder


def rows(script: str, run: Path, out: Path, *options: str) -> list[dict[str, str]]:
    """Of the CSV that the script writes, by column."""
    command = [sys.executable, str(RUNTIME / f"{script}.py"), str(run), "--out", str(out)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert node_processes(out) == []
    with (out / f"{script}.csv").open() as file:
        return list(csv.DictReader(file))


def test_hostile_messages_stop_nothing_and_change_nothing(run, tmp_path):
    found = rows("fuzz", run, tmp_path, "--messages", "500")
    thrown, counted = (
        {row["name"] for row in found if row["what"] == what} for what in ("thrown", "counted")
    )
    assert {"oversized", "replayed", "wrong shape", "in another's name"} <= thrown
    assert {"impersonated", "replayed", "not-finite", "other-run", "version"} <= counted


def test_slow_and_far_links_cost_at_least_what_bytes_and_distance_allow(run, tmp_path):
    found = rows("links", run, tmp_path, "--smoke")
    links = {row["links"] for row in found}
    assert links == {"none", "radio 250 kbit/s", "cloud 40 ms", "both"}
    for row in found:
        assert float(row["p50_ms"]) >= float(row["least_ms"])
    assert any(float(row["least_ms"]) > 80 for row in found)


def test_each_process_of_a_launch_is_measured(run, tmp_path):
    found = {row["process"]: row for row in rows("memory", run, tmp_path, "--smoke")}
    assert {"cam0", "cam1", "gateway", "cloud", "template"} <= set(found)
    for row in found.values():
        assert float(row["private"]) <= float(row["pss"]) <= float(row["rss"])


def test_what_a_sample_costs_is_told_by_thread(run, tmp_path):
    found = rows("wakeups", run, tmp_path, "--smoke")
    assert {row["way"] for row in found} == {"tcp", "ipc", "fair floor"}
    threads = {(row["way"], row["who"], row["thread"]) for row in found}
    for way in ("tcp", "ipc"):
        assert {(way, "device", "own"), (way, "device", "ZeroMQ's"), (way, "all", "all")} <= threads
    assert all(float(row["processor_us"]) > 0 for row in found)


def test_idle_and_silence_are_told_of_each_heartbeat(tmp_path):
    command = [sys.executable, str(RUNTIME / "idle.py"), "--smoke", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    with (tmp_path / "idle.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [(row["interval_ms"], row["processes"]) for row in found] == [
        ("100", "8"),
        ("195", "8"),
    ]
    for row in found:
        least_ms = float(row["interval_ms"]) * float(row["patience"])
        assert float(row["given_up_after_ms"]) >= least_ms
        assert float(row["idle_death_noticed_ms"]) > 0
        assert float(row["idle_core_share"]) > 0


def test_launches_in_a_loop_add_a_row_a_call(run, tmp_path):
    for calls in (1, 2):
        found = rows("launches", run, tmp_path, "--smoke", "--busy", f"{calls - 1}")
        assert [row["busy"] for row in found] == ["0", "1"][:calls]
        assert {(row["launches"], row["samples"], row["answered"]) for row in found} == {
            ("2", "64", "64")
        }


def test_more_devices_keep_the_promises(tmp_path):
    command = [sys.executable, str(RUNTIME / "scale.py"), "--smoke", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    with (tmp_path / "scale.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["edges"] for row in found] == ["0", "2"]
    for row in found:
        assert row["answered"] == row["answered_killed"] == row["samples"]
        assert float(row["equal"]) == float(row["equal_killed"]) == 1
        assert row["payload"] == row["equation"]
    with (tmp_path / "scale-grouped.csv").open() as file:
        grouped = list(csv.DictReader(file))
    assert [row["groups"] for row in grouped] == ["plain", "replicated", "packed", "both"]
    assert [row["processes"] for row in grouped] == ["11", "13", "6", "8"]
    for row in grouped:
        assert row["answered"] == row["answered_killed"] == row["samples"]
        assert float(row["equal"]) == float(row["equal_killed"]) == 1
        assert row["payload"] == row["equation"]


def test_sites_on_one_cloud_are_launched_and_simulated(tmp_path):
    command = [sys.executable, str(RUNTIME / "fleets.py"), "--smoke", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    with (tmp_path / "fleets.csv").open() as file:
        found = list(csv.DictReader(file))
    hows = [(row["how"], row["sites"], row["replicas"], row["degraded"]) for row in found]
    assert hows[1:] == [(*("simulated", sites), *rest) for sites, *rest in ("110", "210", "120")]
    assert hows[0][:3] == ("launched", "1", "1")
    with (tmp_path / "fleets-on-paper.csv").open() as file:
        assert [row["devices"] for row in csv.DictReader(file)] == ["6000", "1000000"]


def test_a_storm_loses_no_sample_and_changes_no_verdict(tmp_path_factory, tmp_path):
    train = Trainer(tmp_path_factory.mktemp("runs"))
    paths = [
        str(train(topology, 40).bundle.folder)
        for topology in (star_topology(), HIERARCHIES["two edges, some ways past"])
    ]
    command = [sys.executable, str(RUNTIME / "storm.py"), *paths, "--smoke", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    with (tmp_path / "storm.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["topology"] for row in found] == ["star", "hierarchy"]
    for row in found:
        assert row["lost"] == row["doubled"] == row["unequal"] == "0"
        assert int(row["samples"]) > 0
        assert int(row["failures"]) == 12
