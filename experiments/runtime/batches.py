"""What a section's largest batch costs: memory that ONNX Runtime keeps, and time a row.

    python experiments/runtime/batches.py [--run RUN] [--runs 1500] [--smoke]

RUN: default the six-camera network with random weights; its cloud's section is run. For each
largest batch, in a process of its own: batches of 1 to 64 rows, at random, cut to that size as a
node cuts them; resident memory beyond that after the first row, and the median time of a row in
full batches.
Prints and writes CSV, MB of 10^6 bytes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.nodes import engine as engines
from ddnn.topology import read_topology
from ddnn.wire.messages import MAX_ROWS
from experiments.runtime.live import resident_mb
from experiments.runtime.scale import random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

LARGEST = (1, 2, 4, 8, 16, 32, 64)
COLUMNS = ("largest_batch", "runs", "grown_mb", "us_per_row")


def measure(folder: Path, largest: int, runs: int) -> list[object]:
    """A row of the table; in a process of its own, since nothing is handed back."""
    engines.AT_ONCE = largest
    bundle = load_bundle(folder)
    (name,) = bundle.topology.members(bundle.topology.tiers[-1].name)
    engine = engines.Engine(bundle.section_path(name))
    inputs = inputs_of(bundle, name)
    engine.run({key: values[:1] for key, values in inputs.items()})
    before_mb, rng = (
        resident_mb(multiprocessing.current_process().pid or 0),
        np.random.default_rng(0),
    )
    for _ in range(runs):
        rows = int(rng.integers(1, MAX_ROWS + 1))
        engine.run({key: values[:rows] for key, values in inputs.items()})
    grown_mb = resident_mb(multiprocessing.current_process().pid or 0) - before_mb
    taken_s = []
    for _ in range(runs):
        begun_s = time.perf_counter()
        engine.run(inputs)
        taken_s.append((time.perf_counter() - begun_s) / MAX_ROWS)
    return [largest, runs, f"{grown_mb:.1f}", f"{1e6 * statistics.median(taken_s):.1f}"]


def inputs_of(bundle: Bundle, name: str) -> dict[str, np.ndarray]:
    """Signs for a whole message's rows."""
    topology, rng = bundle.topology, np.random.default_rng(0)
    children = topology.children(name)
    found = {
        f"features_{place}": rng.choice(
            np.array([-1, 1], np.float32), (MAX_ROWS, *topology.feature_shape(child))
        )
        for place, child in enumerate(children)
    }
    return found | {"present": np.ones((MAX_ROWS, len(children)), np.float32)}


def main() -> None:
    """Every largest batch, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--runs", type=int, default=1500)
    add_places(parser, smoke="20 runs, two sizes")
    arguments = parser.parse_args()
    runs, sizes = (20, (8, 64)) if arguments.smoke else (arguments.runs, LARGEST)
    rows = []
    with tempfile.TemporaryDirectory(prefix="ddnn-batches-") as name:
        folder = arguments.run
        if folder is None:
            topology = read_topology("six-cameras")
            views = random_views(topology, 64)
            folder = random_network(topology, views, Path(name) / "bundle")[1].folder
        for largest in sizes:
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                rows.append(alone.apply(measure, (folder, largest, runs)))
    for row in [COLUMNS, *rows]:
        print(" ".join(f"{value!s:>14}" for value in row))
    write_measured(results_folder(arguments) / "batches.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
