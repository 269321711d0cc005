"""Everything that is measured of the launched system, once or in turns with another version.

Floors, the naive way and the launches of one call run on one machine, so that ratios transfer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ddnn.bench import fair, floor, launched
from ddnn.bench.record import origin
from ddnn.bench.runtime import compute, first_exit, percentiles, random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.data.views import Views
from ddnn.errors import ConfigError, DdnnError
from ddnn.nodes.gather import SLOTS
from ddnn.run.hosts import check_host
from ddnn.runfolder import is_run

RECORDED = 500
"""Samples of one round."""
IDLE_S = 10.0
RATES_HZ = {1: 20, 10: 100, 100: 500, 1000: 2000}
"""Samples of each paced latency, by rate."""
TURNS = 5
Say = Callable[[str], None]
Result = dict[str, Any]


class Version(NamedTuple):
    """One version of the code. path: of its checkout, None: the one that runs."""

    name: str
    path: Path | None = None


def measure(run: Path, *, samples: int, rounds: int, say: Say) -> Result:
    """Everything once. samples: for each latency. rounds: of RECORDED samples for throughput.

    Raises ConfigError for a topology that one machine cannot play without keys.
    """
    bundle = _measurable(run)
    views = random_views(bundle.topology, 200).views
    local = first_exit(bundle.topology)
    now = Version("now")
    say("plain TCP, bare pyzmq")
    result: Result = {
        "tcp_round_trip_us": percentiles(floor.tcp_round_trips(samples)),
        "tcp_scatter_gather_us": percentiles(floor.tcp_scatter_gather(samples)),
        "zmq_scatter_gather_us": percentiles(floor.zmq_scatter_gather(samples)),
        **compute(bundle, views),
        **_fair(bundle, samples, say),
    }
    found: dict[str, Result] = {}
    for name in bundle.topology.exits:
        say(f"latency of the {name} exit, one sample at a time")
        found[name] = _launched(now, bundle, name, window=1, samples=samples)
    result["paced_us"] = {}
    for rate_hz, count in RATES_HZ.items():
        say(f"latency of the {local} exit at {rate_hz} samples a second")
        paced = _launched(now, bundle, local, samples=count, rate_hz=rate_hz)
        result["paced_us"][str(rate_hz)] = paced["latency_us"]
    say("throughput of the local exit with a full window")
    full = _full(now, bundle, rounds)
    say("the naive way")
    result |= _figures(found[local], full) | {
        "latency_us": {name: one["latency_us"] for name, one in found.items()},
        "throughput_window": SLOTS,
        "naive_samples_per_s": _naive(run, views),
        **origin(),
    }
    result["ratios"] = ratios(result, local)
    return result


def compare(run: Path, commit: str, *, samples: int, rounds: int, turns: int, say: Say) -> Result:
    """The checked-out version beside `commit`, in turns: medians of each, and their ratios.

    Raises ConfigError for a commit that this checkout does not have.
    """
    bundle = _measurable(run)
    local = first_exit(bundle.topology)
    with checkout(commit) as path:
        versions = Version("before", path), Version("now")
        found: dict[str, list[Result]] = {version.name: [] for version in versions}
        floors = []
        for turn in range(turns):
            floors.append(_fair(bundle, samples, say))
            for version in versions if turn % 2 else reversed(versions):
                say(f"turn {turn + 1} of {turns}: {version.name}")
                one = _launched(version, bundle, local, window=1, samples=samples)
                latency = {local: one["latency_us"]}
                for name in list(bundle.topology.exits)[1:]:
                    deeper = _launched(version, bundle, name, window=1, samples=samples // 2)
                    latency[name] = deeper["latency_us"]
                figures = _figures(one, _full(version, bundle, rounds))
                found[version.name].append(figures | {"latency_us": latency})
    result: Result = {name: _medians(ones) for name, ones in found.items()}
    result |= _medians(floors) | origin() | {"compared_with": commit, "turns": turns}
    ceiling = compute(bundle, random_views(bundle.topology, 64).views)
    return result | ceiling | {"ratios": _compared(result | ceiling, local)}


def ratios(result: Result, local: str) -> dict[str, float | None]:
    """The figures that transfer between machines."""
    floor_us = result["zmq_scatter_gather_us"]["p50"] + result["section_us"]
    naive, throughput = result["naive_samples_per_s"], result["throughput_samples_per_s"]
    latency_us = result["latency_us"][local]["p50"]
    return {
        "latency_over_fair_floor": latency_us / result["fair_us"]["p50"],
        "latency_over_floor": latency_us / floor_us,
        "latency_over_tcp": latency_us / result["tcp_scatter_gather_us"]["p50"],
        "processor_over_fair_floor": result["processor_us"] / result["fair_processor_us"],
        "throughput_over_ceiling": throughput / result["ceiling_samples_per_s"],
        "throughput_over_naive": throughput / naive if naive else None,
    }


def _compared(result: Result, local: str) -> dict[str, float]:
    now, before = result["now"], result["before"]
    return {
        "latency_over_fair_floor": now["latency_us"][local]["p50"] / result["fair_us"]["p50"],
        "throughput_over_ceiling": (
            now["throughput_samples_per_s"] / result["ceiling_samples_per_s"]
        ),
        **{
            f"{name}_latency_over_before": found["p50"] / before["latency_us"][name]["p50"]
            for name, found in now["latency_us"].items()
        },
        **{
            f"{name}_over_before": now[name] / before[name]
            for name in ("processor_us", "switches", "throughput_samples_per_s", "idle_core_share")
            if before[name]
        },
    }


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The commit's files in a folder of their own. Raises ConfigError where there is none."""
    with TemporaryDirectory(prefix="ddnn-before-") as folder:
        path = Path(folder) / "checkout"
        home = Path(__file__).parents[2]
        added = _git(home, "worktree", "add", "--quiet", "--detach", str(path), commit)
        if added.returncode:
            reason = added.stderr.strip().splitlines() or ["no git"]
            raise ConfigError(f"--compare {commit}: {reason[-1]}, want a commit of {home}")
        try:
            yield path
        finally:
            _git(home, "worktree", "remove", "--force", str(path))


def _git(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(home), *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def _measurable(run: Path) -> Bundle:
    bundle = load_bundle(run)
    check_host(bundle.topology, None)
    if bundle.topology.security.curve:
        raise ConfigError(f"{run}: its topology has security.curve, want one without")
    if bundle.topology.tiers[0].exit is None:
        raise ConfigError(
            f"{run}: its devices have no exit, want one: the local answer is measured"
        )
    return bundle


def _fair(bundle: Bundle, samples: int, say: Say) -> Result:
    say("the same processes, messages and sections, written plainly: the fair floor")
    found = fair.round_trips(bundle, samples)
    return {
        "fair_us": percentiles(found.times_s),
        "fair_processor_us": found.used.processor_s / samples * 1e6,
        "fair_switches": found.used.switches / samples,
    }


def _full(version: Version, bundle: Bundle, rounds: int) -> Result:
    """With as many samples in flight as may be, after doing nothing for a while."""
    local = first_exit(bundle.topology)
    samples = rounds * RECORDED
    return _launched(version, bundle, local, window=SLOTS, samples=samples, idle_s=IDLE_S)


def _figures(single: Result, full: Result) -> Result:
    return {
        "processor_us": single["processor_us"],
        "switches": single["switches"],
        "throughput_samples_per_s": full["samples_per_s"],
        "throughput_processor_us": full["processor_us"],
        "degraded": single["degraded"] + full["degraded"],
        "idle_core_share": full["idle_core_share"],
        "ready_s": full["ready_s"],
        "device_resident_mb": single["device_resident_mb"],
    }


def _launched(
    version: Version,
    bundle: Bundle,
    name: str,
    *,
    samples: int,
    window: int | None = None,
    idle_s: float = 0.0,
    rate_hz: int | None = None,
) -> Result:
    """See `launched`. Raises DdnnError with the last line of what went wrong in it."""
    recorded = min(samples, RECORDED)
    config = {
        "bundle": str(bundle.folder),
        "exit": name,
        "samples": recorded,
        "rounds": max(1, samples // recorded),
        "window": window,
        "idle_s": idle_s,
        "rate_hz": rate_hz,
    }
    place = {} if version.path is None else {"PYTHONPATH": str(version.path)}
    done = subprocess.run(
        [sys.executable, "-P", launched.__file__, json.dumps(config)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | place,
    )
    if done.returncode:
        raise DdnnError(f"{version.name}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    found: Result = json.loads(done.stdout)
    return found


def _medians(found: Sequence[Mapping[str, Any]]) -> Result:
    """Of each number, whatever it lies in."""
    return {
        name: _medians([one[name] for one in found])
        if isinstance(value, Mapping)
        else median(one[name] for one in found)
        for name, value in found[0].items()
    }


def _naive(run: Path, views: Views) -> float | None:
    """None without torch, or for a bundle alone."""
    if not is_run(run):
        return None
    try:
        naive = import_module("ddnn.bench.naive")
    except ModuleNotFoundError:
        return None
    return float(naive.samples_per_s(run, views))
