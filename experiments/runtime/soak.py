"""Soak: many samples through real processes while something random fails every second.

    python experiments/runtime/soak.py RUN [--samples 20000] [--seed 0] [--smoke]

Prints and writes CSV: samples asked, answered, degraded, failures by kind, and each process's
resident memory over the run: its slope must be flat. A run ends when each sample has its answer, so
that a lost one would keep it from ending; those that came after it are counted as `late_verdicts`.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path

import numpy as np

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.report.files import write_csv, write_json
from ddnn.run.launcher import Options, Watcher, launch
from ddnn.run.plan import FailurePlan, parse_failure
from ddnn.topology import Topology
from experiments.shared.script import add_places, command, results_folder

KINDS = ("kill", "hang", "delay", "drop", "corrupt", "partition", "slow")
ROUND = 500  # views recorded by each device; sample s is row s modulo this
WINDOW = 8  # samples in flight: few, so that a failure hits many turns, not one large batch
LONGEST_S = 3600


def random_failures(topology: Topology, seed: int, seconds: int) -> FailurePlan:
    """One failure a second, of any kind on any node, each for half a second to two seconds."""
    rng = random.Random(seed)
    nodes = list(topology.nodes)
    entries = [
        parse_failure(
            {
                "at": {"seconds": second + rng.random()},
                "for": {"seconds": round(rng.uniform(0.5, 2.0), 3)},
                "node": rng.choice(nodes),
                "kind": rng.choice(KINDS),
            }
        )
        for second in range(seconds)
    ]
    return FailurePlan(name="soak", topology=topology.name, seed=seed, failures=tuple(entries))


def soak(
    bundle: Bundle, samples: int, seed: int
) -> tuple[dict[str, object], tuple[tuple[float, str, float], ...]]:
    """What came out, and the memory of every node over time."""
    plan = random_failures(bundle.topology, seed, LONGEST_S)
    rounds = -(-samples // ROUND)
    options = Options(plan=plan, rounds=rounds, window=WINDOW, free_ports=True)
    outcome = launch(bundle, random_views(bundle.topology, ROUND), options, Watcher())
    report = outcome.report
    done = Counter(entry["kind"] for entry in report["failures"] if entry.get("applied", True))
    result: dict[str, object] = {
        "samples": report["samples"],
        "answered": report["answered"],
        "degraded": report["degraded"],
        "answered_by_prior_class": report["prior_answers"],
        "late_verdicts": report["late_verdicts"],
        "seconds": round(report["duration_s"], 1),
        "seed": seed,
        "failures": {kind: done[kind] for kind in KINDS},
        "restarted_by_policy": done["restarted"],
        "memory_growth_mb": {k: round(v, 2) for k, v in memory_growth(outcome.memory).items()},
        "latency_ms": report["latency_ms"],
        "versions": report["versions"],
    }
    return result, outcome.memory


def memory_growth(rows: tuple[tuple[float, str, float], ...]) -> dict[str, float]:
    """By node, MB from the median of the second quarter of the run to that of the last.

    The first quarter is left out: buffers and rings fill once. Medians, since a node that was
    just started again is small.
    """
    growth = {}
    for name in sorted({row[1] for row in rows}):
        values = np.array([mb for _, node, mb in rows if node == name])
        quarter = max(1, len(values) // 4)
        growth[name] = float(
            np.median(values[-quarter:]) - np.median(values[quarter : 2 * quarter])
        )
    return growth


def main() -> None:
    """Runs the soak, prints and writes what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    add_places(parser, smoke="1,000 samples")
    arguments = parser.parse_args()
    samples = 1000 if arguments.smoke else arguments.samples
    result, memory = soak(load_bundle(arguments.run), samples, arguments.seed)
    for key, value in result.items():
        print(f"{key}: {value}")
    folder = results_folder(arguments)
    write_json(folder / "soak.json", result)
    rows = [[f"{s:.1f}", name, f"{mb:.1f}"] for s, name, mb in memory]
    write_csv(
        results_folder(arguments) / "soak-memory.csv", ["seconds", "node", "resident_mb"], rows
    )


if __name__ == "__main__":
    command(main)
