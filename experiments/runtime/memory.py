"""What a node's process takes of the machine's memory, and how much of it is its own.

    python experiments/runtime/memory.py [RUN] [--samples 300] [--smoke]

RUN: default the six-camera network with random weights. One sample at a time; memory is read from
/proc/PID/smaps_rollup and smaps half way (Linux). Prints and writes CSV, MB of 10^6 bytes: `rss` is
all that is mapped, pages shared with others counted whole in each; `pss` is a page's share, so that
it adds up over processes; `private` is what would be free if this one ended. `files` is the part of
rss that is code and data of program files, `anonymous` the rest: objects and heaps.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from pathlib import Path

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.topology import read_topology
from experiments.runtime.scale import random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

COLUMNS = ("process", "nodes", "rss", "pss", "private", "files", "anonymous", "threads")
CHILD = b"ddnn.run.child"


def node_processes() -> dict[str, int]:
    """Process ids of the nodes of this process, by name, and of the template."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text(encoding="utf-8").split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if CHILD in words:
                told = words[words.index(CHILD) + 1].decode()
                name = json.loads(told)["node"] if told.startswith("{") else told
                found[name] = int(pid)
    return found


def memory_of(name: str, pid: int) -> list[object]:
    """A row of the table."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE))
    kilobytes = {key: int(value) * 1.024 for key, value in sizes.items()}
    private = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    anonymous = kilobytes["Anonymous"]
    rss = kilobytes["Rss"]
    values = (rss, kilobytes["Pss"], private, rss - anonymous, anonymous)
    nodes = name.count(" ") + 1 if name != "template" else 0
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return [name, nodes, *(f"{value / 1000:.1f}" for value in values), threads]


def measure(bundle: Bundle, samples: int) -> list[list[object]]:
    """One row a process, while half the samples are answered."""
    views = random_views(bundle.topology, samples)
    rows: list[list[object]] = []

    def look(answered: int) -> None:
        if answered >= samples // 2 and not rows:
            rows.extend(memory_of(name, pid) for name, pid in sorted(node_processes().items()))

    launch(bundle, views, Options(window=1, free_ports=True), Watcher(progress=look))
    return rows


def main() -> None:
    """Every process, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--samples", type=int, default=300)
    add_places(parser, smoke="40 samples")
    arguments = parser.parse_args()
    samples = 40 if arguments.smoke else arguments.samples
    with tempfile.TemporaryDirectory(prefix="ddnn-memory-") as folder:
        if arguments.run:
            bundle = load_bundle(arguments.run)
        else:
            topology = read_topology("six-cameras")
            _, bundle = random_network(topology, random_views(topology, 64), Path(folder))
        rows = measure(bundle, samples)
    for row in [COLUMNS, *rows]:
        print(" ".join(f"{value!s:>10}" for value in row))
    write_measured(results_folder(arguments) / "memory.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
