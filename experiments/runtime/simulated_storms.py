"""Storms in virtual time: every shipped topology, a failure every 50 virtual milliseconds.

    python experiments/runtime/simulated_storms.py [--samples 1000000] [--rate 20] [--smoke]

Networks with random weights, thresholds that each exit passes half of its samples at. One seed
after the other simulates each topology in turn, with one of four windows, until so many samples are
answered in all; then one calm storm each (a failure a second, slow sections), in which whoever is
well must take part. Every promise is checked at every event; a seed that breaks one is a row of its
own, with the promise. Prints and writes CSV: a row a topology and window.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ddnn import shipped
from ddnn.bench.runtime import random_views
from ddnn.errors import DdnnError
from ddnn.simulation.laboratory import Laboratory
from ddnn.simulation.profile import Cost, Profile
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.study import Ran, run_seed
from ddnn.topology import read_topology
from experiments.runtime.scale import random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

RATE = 20.0  # failures a virtual second
CHUNKS = {64: 10_000, 256: 10_000, 8: 2_000, 1: 500}  # samples of a seed, by window
RECORDED = 128
CALM_RATE, CALM_SAMPLES, CALM_WINDOW = 1.0, 400, 1
CALM = Profile(engines={"cam0": Cost(fixed_us=20_000), "view0": Cost(fixed_us=20_000)})
COLUMNS = (
    *("topology", "window", "failures_per_s", "seeds", "samples", "lost", "doubled", "unequal"),
    *("other_broken", "ties", "degraded", "failures", "kinds", "roles", "runs", "virtual_s"),
    *("events", "checks", "checks_nobody_out", "cpu_s", "broken"),
)


@dataclass(slots=True)
class Sum:
    """All seeds of a topology and window."""

    seeds: int = 0
    samples: int = 0
    lost: int = 0
    doubled: int = 0
    unequal: int = 0
    other: int = 0
    ties: int = 0
    degraded: int = 0
    failures: int = 0
    runs: int = 0
    virtual_s: float = 0.0
    events: int = 0
    cpu_s: float = 0.0
    checks: Counter[str] = field(default_factory=Counter)
    kinds: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def add(self, ran: Ran, roles: dict[str, str], cpu_s: float) -> None:
        """One more seed."""
        result = ran.result
        self.seeds += 1
        self.samples += len(result.answers)
        self.ties += result.ties
        self.degraded += sum(answer.degraded for answer in result.answers)
        self.failures += len(result.troubles)
        self.runs += result.runs
        self.virtual_s += result.virtual_s
        self.events += result.events
        self.cpu_s += cpu_s
        self.checks.update(result.checked)
        for trouble in result.troubles:
            self.kinds.add(f"link {trouble.kind}" if trouble.link else trouble.kind)
            names = trouble.link or (trouble.node or "collector",)
            self.roles.update(roles[name] for name in names)
        if ran.broken is not None:
            self._add_broken(ran)

    def _add_broken(self, ran: Ran) -> None:
        promise, text = ran.broken.promise, str(ran.broken)
        self.broken.append(f"seed {ran.seed}: {text}")
        self.doubled += promise == "answered once" and "again" in text
        self.lost += promise == "answered once" and "again" not in text
        self.unequal += promise == "masked model"
        self.other += promise not in ("answered once", "masked model")

    def row(self, topology: str, window: int, rate: float) -> list[object]:
        """A row of the table."""
        return [
            *(topology, window, f"{rate:g}", self.seeds, self.samples),
            *(self.lost, self.doubled, self.unequal, self.other, self.ties, self.degraded),
            *(self.failures, len(self.kinds), " ".join(sorted(self.roles)), self.runs),
            *(f"{self.virtual_s:.1f}", self.events, sum(self.checks.values())),
            *(self.checks["nobody out"], f"{self.cpu_s:.1f}", "; ".join(self.broken)),
        ]


class Place:
    """One topology with its laboratory."""

    def __init__(self, name: str, folder: Path) -> None:
        topology = read_topology(name)
        views = random_views(topology, RECORDED // (8 if "resnet" in name else 1))
        _, bundle = random_network(topology, views, folder / name)
        self.name = name
        self.roles = {"collector": "collector"} | {n: v.role for n, v in topology.nodes.items()}
        self.laboratory = Laboratory(bundle, views.views, Profile())
        self.calm = Laboratory(bundle, views.views, CALM)

    def run(self, seed: int, *, window: int, samples: int, rate: float, calm: bool) -> Ran:
        """One seed."""
        schedule = Schedule(
            topology=self.name, seed=seed, samples=samples, window=window, shifted_clocks=True
        )
        return run_seed(self.calm if calm else self.laboratory, schedule, storm_per_s=rate)


class Storms:
    """All topologies, and what came of their seeds so far."""

    def __init__(self, names: list[str], folder: Path, out: Path) -> None:
        self._places = [Place(name, folder) for name in names]
        self._sums: dict[tuple[str, int, float], Sum] = {}
        self._out = out

    @property
    def samples(self) -> int:
        """Answered in all."""
        return sum(found.samples for found in self._sums.values())

    def run(self, seed: int, *, window: int, samples: int, rate: float, calm: bool) -> None:
        """The seed on every topology; writes what there is."""
        for place in self._places:
            begun_s = time.process_time()
            ran = place.run(seed, window=window, samples=samples, rate=rate, calm=calm)
            found = self._sums.setdefault((place.name, window, rate), Sum())
            found.add(ran, place.roles, time.process_time() - begun_s)
            if ran.broken is not None:
                print(f"{place.name} window {window} seed {seed}: {ran.broken}", flush=True)
        print(f"seed {seed}, window {window}: {self.samples} samples in all", flush=True)
        rows = [found.row(*key) for key, found in sorted(self._sums.items())]
        write_measured(self._out / "simulated-storms.csv", COLUMNS, rows)

    @property
    def broken(self) -> int:
        """Seeds that broke a promise."""
        return sum(len(found.broken) for found in self._sums.values())


def known_before_training() -> list[str]:
    """Shipped topologies without modules, whose shapes only training finds."""
    names = shipped.names("topologies")
    return [name for name in names if not read_topology(name).has_modules]


def main() -> None:
    """Storms until enough samples are answered, then calm ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--topologies", nargs="+", default=known_before_training())
    parser.add_argument("--seed", type=int, default=1, help="the first")
    add_places(parser, smoke="two topologies, 2,000 samples")
    given = parser.parse_args()
    names = ["a-cloud-only", "edge-fallback"] if given.smoke else given.topologies
    wanted, shorter = (2_000, 20) if given.smoke else (given.samples, 1)
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="ddnn-simulated-") as folder:
        storms = Storms(names, Path(folder), results_folder(given))
        storms.run(
            given.seed, window=CALM_WINDOW, samples=CALM_SAMPLES // shorter, rate=CALM_RATE,
            calm=True,
        )  # fmt: skip
        for seed in count(given.seed + 1):
            window = list(CHUNKS)[seed % len(CHUNKS)]
            samples = CHUNKS[window] // shorter
            storms.run(seed, window=window, samples=samples, rate=given.rate, calm=False)
            if storms.samples >= wanted:
                break
    if storms.broken:
        raise DdnnError(f"{storms.broken} seeds broke a promise")


if __name__ == "__main__":
    command(main)
