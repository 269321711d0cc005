"""Launches in a loop in which nothing is planned to fail: does a sample come back degraded?

    python experiments/runtime/launches.py [RUN] [--launches 50] [--busy 2] [--out FOLDER] [--smoke]

RUN: default the six-camera network with random weights. One launch after the other, in turns one
sample at a time and a full window. --busy: processes beside it that use a core each. A call adds a
row to `launches.csv`, so that many can be made in pieces: `degraded` samples and the launches that
had some, reports of nodes that fell silent (`gone`) and the longest silence of them, verdicts that
came late. Of a launch that had any of these the report's `failures` are printed whole.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.data.multiview import MultiView
from ddnn.report.files import write_csv
from ddnn.run.launcher.launch import Options, launch
from ddnn.topology import read_topology
from experiments.runtime.scale import random_network
from experiments.shared.provenance import made_from
from experiments.shared.script import add_places, command, results_folder

SAMPLES = 256
WINDOWS = (1, None)
BUSY = "while True: pass"
COUNTED = ("degraded", "launches_degraded", "gone", "late")
COLUMNS = ("busy", "launches", "samples", "answered", *COUNTED, "longest_silent_ms", "ready_s")


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many others that never wait."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def look_at(report: dict[str, Any]) -> dict[str, float]:
    """What one launch adds to the row."""
    gone = [entry for entry in report["failures"] if entry["kind"] == "noticed-gone"]
    found = {
        "degraded": report["degraded"],
        "launches_degraded": int(report["degraded"] > 0),
        "gone": len(gone),
        "late": report["late_verdicts"],
    }
    if any(found.values()):
        print(json.dumps({**found, "failures": report["failures"]}), flush=True)
    silent_ms = max((entry["silent_ms"] for entry in gone), default=0.0)
    return {**found, "longest_silent_ms": silent_ms, "ready_s": report["ready_s"]}


def measure(bundle: Bundle, views: MultiView, launches: int, busy: int) -> dict[str, object]:
    """One row."""
    looks, answered = [], 0
    with busy_processes(busy):
        for number in range(launches):
            window = WINDOWS[number % len(WINDOWS)]
            report = launch(bundle, views, Options(window=window, free_ports=True)).report
            answered += report["answered"]
            looks.append(look_at(report))
    return {
        "busy": busy,
        "launches": launches,
        "samples": launches * len(views),
        "answered": answered,
        **{name: int(sum(look[name] for look in looks)) for name in COUNTED},
        "longest_silent_ms": f"{max(look['longest_silent_ms'] for look in looks):.0f}",
        "ready_s": f"{sorted(look['ready_s'] for look in looks)[launches // 2]:.2f}",
    }


def main() -> None:
    """One more row, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--launches", type=int, default=50)
    parser.add_argument("--busy", type=int, default=0)
    add_places(parser, smoke="2 launches of 32 samples")
    arguments = parser.parse_args()
    launches, samples = (2, 32) if arguments.smoke else (arguments.launches, SAMPLES)
    with tempfile.TemporaryDirectory(prefix="ddnn-launches-") as folder:
        if arguments.run:
            bundle = load_bundle(arguments.run)
        else:
            topology = read_topology("six-cameras")
            _, bundle = random_network(topology, random_views(topology, 64), Path(folder))
        views = random_views(bundle.topology, samples)
        row = measure(bundle, views, launches, arguments.busy)
    print(" ".join(f"{name} {value}" for name, value in row.items()))
    add_row(results_folder(arguments) / "launches.csv", row | made_from([]))


def add_row(path: Path, row: dict[str, object]) -> None:
    """To those that the file has already."""
    rows: list[dict[str, object]] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            rows.extend(csv.DictReader(file))
    made = {name: value for name, value in row.items() if value != ""}
    write_csv(path, [*made], ([each.get(name, "") for name in made] for each in [*rows, made]))


if __name__ == "__main__":
    command(main)
