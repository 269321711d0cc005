"""What a launched system uses while nothing is asked of it, and how soon it knows of a death.

    python experiments/runtime/idle.py [--runs 3] [--seconds 10] [--smoke]

Six devices and 24 with edge servers, the latter also in packs of six, with random weights. Each is
launched with two heartbeats: every 100 ms, a node being given up after three, and every 195 ms,
after two (the default). Idle is the processor time of launcher and nodes in the seconds between
their being ready and the first sample, as a share of one core. `cam0` is killed twice: while
samples flow, where the collector says how long it had been silent when it was given up; and while
none has been asked for for seconds, where the time from its death to the collector's notice is
taken.
Prints and writes CSV: medians of `runs` launches in turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle
from ddnn.data.multiview import MultiView
from ddnn.live.feed import Feed
from ddnn.run.failures.failure import parse_failure
from ddnn.run.failures.plan import FailurePlan, plan_of
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.topology import Heartbeat, Topology
from experiments.runtime.scale import grown, random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

SAMPLES, RATE_HZ = 60, 40.0
KILLED, KILL_AT = "cam0", 20
SELDOM_HZ, KILL_AT_S = 0.2, 3.0
"""In an idle launch: two samples, five seconds apart, and when the device dies between them."""
SIZES = ((6, False), (24, False), (24, True))
"""Devices, and whether those of an edge share a process."""
BEATS = ((100, 3), (195, 2))
"""Milliseconds between two heartbeats, and how many may be missed."""
COLUMNS = (
    *("devices", "packs", "processes", "interval_ms", "patience", "runs"),
    *("idle_core_share", "lowest", "highest", "given_up_after_ms"),
    *("idle_death_noticed_ms", "idle_death_noticed_latest_ms"),
)


def beating(topology: Topology, interval_ms: int, patience: int) -> Topology:
    """The same with other heartbeats."""
    beats = Heartbeat(interval_ms=interval_ms, patience=patience)
    return topology.model_copy(update={"heartbeat": beats})


def measure(bundle: Bundle, views: MultiView, seconds: float) -> tuple[float, float, float]:
    """Share of a core while idle, the silence in ms after which the camera killed among samples was
    given up, and the time in ms until one's death was noticed while none were asked for."""
    plan = plan_of(bundle.topology, kills=[f"{KILLED}@{KILL_AT}"])
    options = Options(free_ports=True, window=1, rate_hz=RATE_HZ, idle_s=seconds, plan=plan)
    report = launch(bundle, views, options).report
    gone = [entry for entry in report["failures"] if entry["kind"] == "noticed-gone"]
    silent_ms = [entry["silent_ms"] for entry in gone if entry["node"] == KILLED]
    return report["idle_core_share"], silent_ms[0], idle_death_noticed_ms(bundle, views)


def idle_death_noticed_ms(bundle: Bundle, views: MultiView) -> float:
    """From the kill to the entry that says that the collector noticed."""
    failure = {"node": KILLED, "kind": "kill", "at": {"seconds": KILL_AT_S}}
    topology = bundle.topology.name
    plan = FailurePlan(topology=topology, failures=(parse_failure(failure),))
    options = Options(free_ports=True, window=1, rate_hz=SELDOM_HZ, plan=plan)
    feed = Feed()
    with feed.subscribe() as subscription:
        launch(bundle, views.take(np.arange(2)), options, Watcher(feed=feed))
        events = [event for event in subscription.take() if event["kind"] == "failure"]
    times_s = {event["what"]: event["time"] for event in events if event["node"] == KILLED}
    return 1000 * (times_s["noticed-gone"] - times_s["kill"])


def main() -> None:
    """Every size and heartbeat, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    add_places(parser, smoke="six devices, once, for a second")
    given = parser.parse_args()
    sizes, runs, seconds = (
        (SIZES[:1], 1, 1.0) if given.smoke else (SIZES, given.runs, given.seconds)
    )
    torch.set_num_threads(1)
    found: dict[tuple[int, bool, int, int, int], list[tuple[float, float, float]]] = defaultdict(
        list
    )
    with tempfile.TemporaryDirectory(prefix="ddnn-idle-") as folder:
        cases = []
        for devices, packs in sizes:
            for interval_ms, patience in BEATS:
                topology = beating(grown(devices, packs=packs), interval_ms, patience)
                views = random_views(topology, SAMPLES)
                place = Path(folder) / f"{devices}-{packs}-{interval_ms}"
                _, bundle = random_network(topology, views, place)
                processes = len({topology.pack(name) for name in topology.nodes})
                cases.append(((devices, packs, processes, interval_ms, patience), bundle, views))
        for _ in range(runs):
            for case, bundle, views in cases:
                found[case].append(measure(bundle, views, seconds))
    rows = []
    for case, measured in found.items():
        shares, silences_ms, deaths_ms = zip(*measured, strict=True)
        spread = (statistics.median(shares), min(shares), max(shares))
        row = [*case, runs, *(f"{share:.4f}" for share in spread)]
        times_ms = statistics.median(silences_ms), statistics.median(deaths_ms), max(deaths_ms)
        rows.append([*row, *(f"{time_ms:.0f}" for time_ms in times_ms)])
        print(" ".join(f"{name}={value}" for name, value in zip(COLUMNS, rows[-1], strict=True)))
    write_measured(results_folder(given) / "idle.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
