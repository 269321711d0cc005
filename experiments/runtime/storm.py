"""Storm: real processes while every role fails at random, and every verdict recomputed.

    python experiments/runtime/storm.py RUN [RUN ...] [--minutes 10] [--windows 1 64 256]
                                        [--seed 0] [--smoke]

For each run and window: two failures a second, each of a random role, kind and length, on nodes
that are all started again when they end. Then each sample must have been answered once, and each
verdict must be that of the bundle's ONNX files, masked by what the verdict says took part.

Prints a table, writes it and the memory of every node over time as CSV. Ends with an error where a
promise was broken.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.data.multiview import MultiView
from ddnn.errors import DdnnError
from ddnn.nodes.masked import MaskedModel
from ddnn.report.files import write_csv
from ddnn.report.verdicts import NO_EXIT, Answer
from ddnn.run.failures.plan import FailurePlan, parse_failure
from ddnn.run.launcher.launch import MAX_SAMPLES, Options, launch_into
from ddnn.run.launcher.launch_files import MEMORY_COLUMNS, Memory
from ddnn.topology import COLLECTOR, Topology
from ddnn.wire.routes import routes
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

ROUND = 500  # views recorded by each device; sample s is row s modulo this
RATE = 2  # failures a second
SHORTEST_S, LONGEST_S = 0.3, 2.0  # of a failure
NODE_KINDS = ("kill", "restart", "hang", "slow", "partition", "delay", "drop", "corrupt")
LINK_KINDS = ("partition", "delay", "drop", "corrupt")
KINDS = (*NODE_KINDS, *(f"link {kind}" for kind in LINK_KINDS))
SMOKE_MINUTES = 0.1
EVERY_S = 10  # between two rows of memory that are written
COLUMNS = (
    "topology", "window", "minutes", "seed", "samples", "lost", "doubled", "unequal", "degraded",
    "prior", "past", "late", "paused_s", "samples_per_s", "failures", "restarted", "grown_mb",
    "grown_most", *KINDS,
)  # fmt: skip


def random_failures(topology: Topology, seed: int, seconds: float) -> FailurePlan:
    """RATE failures a second: a role, one of its nodes or of the links it sends on, and a kind."""
    rng = random.Random(seed)
    entries = [_random_failure(topology, rng, second) for second in np.arange(0, seconds, 1 / RATE)]
    return FailurePlan(
        name="storm",
        topology=topology.name,
        seed=seed,
        failures=tuple(parse_failure(entry) for entry in entries),
    )


def _random_failure(topology: Topology, rng: random.Random, second: float) -> dict[str, Any]:
    role = rng.choice(sorted({node.role for node in topology.nodes.values()}))
    node = rng.choice([name for name, n in topology.nodes.items() if n.role == role])
    kind = rng.choice(KINDS)
    entry: dict[str, Any] = {
        "at": {"seconds": round(second + rng.random() / RATE, 3)},
        "for": {"seconds": round(rng.uniform(SHORTEST_S, LONGEST_S), 3)},
    }
    if kind == "restart":  # what ends is started again by its policy, not by the plan
        del entry["for"]
        return entry | {"node": node, "kind": "kill"}
    if not kind.startswith("link "):
        return entry | {"node": node, "kind": kind} | _strength(kind)
    links = sorted({(a, b) for a, b, _ in routes(topology) if a == node})
    kind = kind.removeprefix("link ")
    return entry | {"link": rng.choice(links), "kind": kind} | _strength(kind)


def _strength(kind: str) -> dict[str, float]:
    return {
        "delay": {"delay_ms": 150, "jitter_ms": 100},
        "drop": {"share": 0.3},
        "corrupt": {"share": 0.3},
        "slow": {"factor": 50},
    }.get(kind, {})


@dataclass(slots=True)
class Tallied:
    """Takes a launch's results: which samples were answered how often, and equal answers once."""

    topology: Topology
    times: bytearray = field(default_factory=bytearray)
    answers: Counter[Answer] = field(default_factory=Counter)
    memory: Memory = ()

    def begin(self, topology: Topology) -> None:
        """See ddnn.run.launcher.one_launch.Sink."""

    def add(self, answer: Answer, label: int) -> None:
        """See Sink."""
        if answer.sample >= len(self.times):
            self.times.extend(bytes(answer.sample + 1 - len(self.times)))
        self.times[answer.sample] = min(255, self.times[answer.sample] + 1)
        self.answers[answer._replace(sample=answer.sample % ROUND, latency_s=0.0)] += 1

    def flush(self) -> None:
        """See Sink."""

    def write_report(self, report: dict[str, Any]) -> None:
        """See Sink."""

    def close(self, report: dict[str, Any], memory: Memory) -> None:
        """See Sink."""
        self.memory = memory

    def count(self, answers: Sequence[Answer]) -> int:
        """How many samples got one of these."""
        return sum(self.answers[answer] for answer in answers)


def storm(bundle: Bundle, window: int, minutes: float, seed: int) -> tuple[dict[str, Any], Memory]:
    """One row, and the memory of every node over time."""
    topology = bundle.topology
    plan = random_failures(topology, seed, 60 * minutes)
    samples = random_views(topology, ROUND)
    options = Options(
        plan=plan,
        rounds=MAX_SAMPLES // ROUND,
        window=window,
        free_ports=True,
        seconds=60 * minutes,
    )
    found = Tallied(topology)
    report = launch_into(found, bundle, samples, options)
    unequal = recomputed_otherwise(bundle, samples, found)
    growth = memory_growth(found.memory)
    most = max(growth, key=lambda name: growth[name])
    done = Counter(entry["kind"] for entry in report["failures"])
    row = {
        "topology": topology.name,
        "window": window,
        "minutes": minutes,
        "seed": seed,
        "samples": len(found.times),
        "lost": found.times.count(0),
        "doubled": sum(times > 1 for times in found.times),
        "unequal": found.count(unequal),
        "degraded": report["degraded"],
        "prior": found.count([a for a in found.answers if a.exit == NO_EXIT]),
        "past": found.count([a for a in found.answers if a.views >> topology.views]),
        "late": report["late_verdicts"],
        "paused_s": round(report.get("paused_s", 0.0), 1),
        "samples_per_s": round(report["throughput_samples_per_s"], 1),
        "failures": len(plan.failures),
        "restarted": done["restarted"],
        "grown_mb": round(growth[most], 2),
        "grown_most": most,
        **kinds_of(plan),
    }
    return row, found.memory


def recomputed_otherwise(bundle: Bundle, samples: MultiView, found: Tallied) -> list[Answer]:
    """The answers that are not the masked network's, the first few printed."""
    unequal = MaskedModel(bundle, samples.views).unequal(found.answers)
    for answer in unequal[:5]:
        print(f"unequal: {answer._asdict()}")
    return unequal


def kinds_of(plan: FailurePlan) -> Counter[str]:
    """How many of each of KINDS the plan has."""
    found = Counter(dict.fromkeys(KINDS, 0))
    for failure in plan.failures:
        if failure.link is not None:
            found[f"link {failure.kind}"] += 1
        else:
            found["restart" if failure.duration is None else failure.kind] += 1
    return found


def memory_growth(rows: Memory) -> dict[str, float]:
    """By node, MB from the most in the second quarter of the run to the most in the last.

    The first quarter is left out: buffers and rings fill once. The most, since nodes that were
    just started again are small.
    """
    growth = {}
    for name in sorted({row[1] for row in rows}):
        values = [mb for _, node, mb in rows if node == name]
        quarter = max(1, len(values) // 4)
        growth[name] = max(values[-quarter:]) - max(values[quarter : 2 * quarter] or values)
    return growth or {COLLECTOR: math.nan}


def restarting(bundle: Bundle, folder: Path) -> Bundle:
    """The same, whose nodes are all started again whenever they end."""
    document = bundle.topology.model_dump(mode="json")
    for node in document["nodes"].values():
        node["restart"] = "always"
    return place_bundle(bundle.folder, Topology.model_validate(document), folder)


def main() -> None:
    """Every run with every window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--seed", type=int, default=0)
    add_places(parser, smoke="six seconds, the middle window")
    arguments = parser.parse_args()
    minutes = SMOKE_MINUTES if arguments.smoke else arguments.minutes
    windows = [64] if arguments.smoke else arguments.windows
    folder, rows, memories = results_folder(arguments), [], []
    print(" ".join(f"{name:>13}" for name in COLUMNS[: -len(KINDS)]), flush=True)
    for number, (run, window) in enumerate((r, w) for r in arguments.runs for w in windows):
        with TemporaryDirectory() as place:
            bundle = restarting(load_bundle(run), Path(place) / "bundle")
            row, memory = storm(bundle, window, minutes, arguments.seed + number)
        rows.append(row)
        memories += [
            (row["topology"], window, f"{seconds:.0f}", node, f"{mb:.1f}")
            for seconds, node, mb in memory
            if round(seconds) % EVERY_S == 0
        ]
        print(" ".join(f"{row[name]:>13}" for name in COLUMNS[: -len(KINDS)]), flush=True)
        write_measured(folder / "storm.csv", COLUMNS, [[r[c] for c in COLUMNS] for r in rows])
        write_csv(folder / "storm-memory.csv", ("topology", "window", *MEMORY_COLUMNS), memories)
    broken = sum(row[name] for row in rows for name in ("lost", "doubled", "unequal"))
    if broken:
        raise DdnnError(f"{broken} samples lost, answered twice or otherwise than the network")


if __name__ == "__main__":
    command(main)
