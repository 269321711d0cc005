"""What the simulator says beforehand, beside what a launch then measures.

    python experiments/runtime/predictions.py [--samples 400] [--smoke]

Six cameras, random weights, thresholds that half of all samples pass. The profile is measured
first: this machine's times for the network's sections and for messages. Then each
setting is simulated, then launched: one sample at a time, a full window, links with latency, a plan
with an outage. Prints and writes CSV: p50 of the local and of the last exit, payload per device and
sample, samples answered degraded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle
from ddnn.bundle.place import place_bundle
from ddnn.data.multiview import MultiView
from ddnn.run.failures.plan import FailurePlan, plan_of
from ddnn.run.launcher.launch import Options, launch
from ddnn.simulation.laboratory import Laboratory
from ddnn.simulation.profile import Profile, measured
from ddnn.simulation.report import outcome_of
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import simulate
from ddnn.topology import Topology, read_topology
from experiments.runtime.links import far_cloud, with_links
from experiments.runtime.scale import random_network
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

COLUMNS = ("setting", "figure", "simulated", "launched", "ratio")
Plans = Callable[[Topology, int], FailurePlan]


def nothing(topology: Topology, _samples: int) -> FailurePlan:
    """No failure."""
    return plan_of(topology)


def outage(topology: Topology, samples: int) -> FailurePlan:
    """The last device is dead for a quarter of all samples."""
    last = topology.devices[-1]
    return plan_of(topology, kills=[f"{last}@{samples // 4}"], recovers=[f"{last}@{samples // 2}"])


SETTINGS: dict[str, tuple[int, bool, Plans]] = {
    "one sample at a time": (1, False, nothing),
    "window 64": (64, False, nothing),
    "cloud 40 ms away": (1, True, nothing),
    "a device is dead for a while": (1, False, outage),
}
"""Window, whether the cloud is far, what fails."""


def simulated(
    bundle: Bundle, views: MultiView, profile: Profile, *, window: int, plan: FailurePlan
) -> dict[str, Any]:
    """The report of the simulation."""
    laboratory = Laboratory(bundle, views.views, profile)
    schedule = Schedule(
        topology=bundle.topology.name, samples=len(views), window=window, profile=profile
    )
    result = simulate(laboratory, schedule, plan=plan)
    return outcome_of(result, laboratory, schedule, views.fused_labels_N).report


def figures(report: dict[str, Any]) -> dict[str, float]:
    """What is compared."""
    p50 = {f"{name} p50 ms": times["p50"] for name, times in report["latency_ms"].items()}
    return p50 | {
        "payload B": report["bytes"]["per_device_sample"]["payload"],
        "degraded": report["degraded"],
    }


def compared(
    setting: str, bundle: Bundle, views: MultiView, profile: Profile
) -> list[list[object]]:
    """Rows of a setting."""
    window, is_far, plans = SETTINGS[setting]
    plan, rows = plans(bundle.topology, len(views)), list[list[object]]()
    topology = with_links(bundle.topology, far_cloud(bundle.topology) if is_far else [])
    with TemporaryDirectory() as folder:
        placed = place_bundle(bundle.folder, topology, Path(folder) / "placed")
        before = figures(simulated(placed, views, profile, window=window, plan=plan))
        options = Options(window=window, free_ports=True, plan=plan)
        after = figures(launch(placed, views, options).report)
    for name, value in before.items():
        found = after[name]
        ratio = f"{value / found:.2f}" if found else ""
        rows.append([setting, name, f"{value:.2f}", f"{found:.2f}", ratio])
        print(" ".join(f"{cell!s:>28}" for cell in rows[-1]), flush=True)
    return rows


def main() -> None:
    """Every setting, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=400)
    add_places(parser, smoke="40 samples")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    topology = read_topology("six-cameras")
    views = random_views(topology, 40 if arguments.smoke else arguments.samples)
    rows: list[list[object]] = []
    with TemporaryDirectory() as folder:
        _, bundle = random_network(topology, views, Path(folder))
        profile = measured(bundle)
        for setting in SETTINGS:
            rows += compared(setting, bundle, views, profile)
    write_measured(results_folder(arguments) / "predictions.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
