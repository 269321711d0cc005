"""How a launched system grows from 1 to 48 devices: start, latency, throughput, and the promises.

    python experiments/runtime/scale.py [--devices 1 2 4 6 12 24 48] [--samples 300] [--smoke]

Up to six devices are a star: a gateway and a cloud. More get an edge server for each six; the
largest number is tried again with two replicas of each edge server, with the devices of each edge
in one process, and with both (scale-grouped.csv). The
networks have random weights, fitted batch norms and thresholds that each exit passes half its
samples at. Each size is launched twice: one sample at a time for latency, and with a full window
for throughput, in which every third device is killed half way.
Prints and writes CSV. `equal` is the share of verdicts that are the torch model's, masked by the
devices that took part; payload is bytes per device and sample in the run without failures, beside
the paper's equation 1 for these topologies.
Axes: N samples, V views.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.write import write_bundle
from ddnn.data.multiview import MultiView
from ddnn.decision import decide
from ddnn.model.cost import device_payload
from ddnn.model.joint import Joint
from ddnn.run.failures.plan import FailurePlan, plan_of
from ddnn.run.launcher.launch import Options, launch
from ddnn.run.outcome import Outcome
from ddnn.topology import Topology, read_topology
from ddnn.training.predict import answer, predict
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

GROUP = 6  # devices an edge server has
WINDOW = 64
FIRST_PORT, MAX_REPLICAS = 20_001, 4
VARIANTS: dict[str, tuple[int, bool]] = {
    "replicated": (2, False),
    "packed": (1, True),
    "both": (2, True),
}
"""Of the largest number of devices: replicas of an edge, packs."""
COLUMNS = (
    *("devices", "edges", "processes", "samples", "answered", "equal", "killed"),
    *("answered_killed", "equal_killed", "payload", "equation", "ready_s"),
    *("local_p50_ms", "local_p99_ms", "cloud_p50_ms", "cloud_p99_ms", "samples_per_s"),
)


def grown(devices: int, *, replicas: int = 1, packs: bool = False) -> Topology:
    """A topology of this many devices; edge servers where there are more than six.

    replicas: of each edge server. packs: the devices of each in one process.
    """
    edges = -(-devices // GROUP) if devices > GROUP else 0
    base = read_topology("f-edges-cloud" if edges else "six-cameras")
    document = base.model_dump(mode="json")
    nodes: dict[str, dict[str, Any]] = {
        f"cam{v}": {
            "role": "device",
            "view": v,
            "parent": f"edge{v // GROUP}" if edges else "cloud",
            "pack": f"group{v // GROUP}" if packs else False,
        }
        for v in range(devices)
    }
    nodes |= {f"edge{e}": {"role": "edge", "parent": "cloud"} for e in range(edges)}
    nodes |= {"gateway": {"role": "gateway"}, "cloud": {"role": "cloud"}}
    for number, node in enumerate(nodes.values()):
        node["endpoint"] = f"tcp://127.0.0.1:{FIRST_PORT + number * MAX_REPLICAS}"
        node["replicas"] = replicas if node["role"] == "edge" else None
    document |= {"name": f"grown-{devices}", "nodes": nodes}
    document["collector"] |= {"endpoint": f"tcp://127.0.0.1:{FIRST_PORT - 1}"}
    return Topology.model_validate(document)


def random_network(topology: Topology, views: MultiView, folder: Path) -> tuple[Joint, Bundle]:
    """Untrained, but its scores are of ordinary size and each exit but the last passes half."""
    torch.manual_seed(0)
    joint = Joint(topology)
    with torch.no_grad():
        for module in joint.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.momentum = 1.0
        joint.train()([torch.from_numpy(array[:64]) for array in views.views.arrays])
    logits = predict(joint.eval(), views)
    medians = [float(np.median(decide(logits_NK).entropy_N)) for logits_NK in logits.values()]
    thresholds = [*(round(median, 4) for median in medians[:-1]), None]
    rules = {n: ExitRule(threshold=t) for n, t in zip(logits, thresholds, strict=True)}
    write_bundle(folder, joint, exits=rules, prior_class=0)
    return joint, load_bundle(folder)


def equal_share(joint: Joint, bundle: Bundle, views: MultiView, outcome: Outcome) -> float:
    """Verdicts that are those of the network masked by who took part, among those not degraded."""
    got = outcome.verdicts
    offline = answer(
        predict(joint, views, got.present_NV),
        bundle.manifest.exits,
        samples=views,
        present_NV=got.present_NV,
        prior_class=bundle.manifest.prior_class,
    )
    same_N = (offline.predicted_N == got.predicted_N) & (offline.exit_N == got.exit_N)
    return float(same_N[~got.degraded_N].mean())


def third_dies(topology: Topology, at: int) -> FailurePlan:
    """Every third process of devices is killed before sample `at`."""
    processes = list(dict.fromkeys(topology.pack(name)[0] for name in topology.devices))
    return plan_of(topology, kills=[f"{name}@{at}" for name in processes[2::3]])


def measure(
    devices: int, samples: int, folder: Path, *, replicas: int = 1, packs: bool = False
) -> list[object]:
    """One row of the table."""
    topology = grown(devices, replicas=replicas, packs=packs)
    views = random_views(topology, samples)
    joint, bundle = random_network(topology, views, folder)
    single = launch(bundle, views, Options(window=1, free_ports=True))
    plan = third_dies(topology, samples // 2)
    many = launch(bundle, views, Options(window=WINDOW, free_ports=True, plan=plan))
    report, latency_ms = single.report, single.report["latency_ms"]
    local, cloud = (latency_ms[name] for name in ("local", "cloud"))
    return [
        devices,
        len(topology.members("edge")),
        len({topology.pack(name) for name in topology.nodes}),
        samples,
        report["answered"],
        f"{equal_share(joint, bundle, views, single):.4f}",
        len(plan.failures),
        many.report["answered"],
        f"{equal_share(joint, bundle, views, many):.4f}",
        f"{report['bytes']['per_device_sample']['payload']:.3f}",
        f"{device_payload(topology, report['exits']['local']['share']):.3f}",
        f"{report['ready_s']:.1f}",
        *(f"{value:.2f}" for value in (local["p50"], local["p99"], cloud["p50"], cloud["p99"])),
        f"{many.report['throughput_samples_per_s']:.0f}",
    ]


def main() -> None:
    """Every size, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 6, 12, 24, 48])
    parser.add_argument("--samples", type=int, default=200)
    add_places(parser, smoke="1 and 7 devices, 40 samples")
    arguments = parser.parse_args()
    sizes, samples = ([1, 7], 40) if arguments.smoke else (arguments.devices, arguments.samples)
    torch.set_num_threads(1)
    rows = []
    print(" ".join(f"{name:>15}" for name in COLUMNS))
    for devices in sizes:
        with tempfile.TemporaryDirectory(prefix="ddnn-scale-") as folder:
            rows.append(measure(devices, samples, Path(folder)))
        print(" ".join(f"{value!s:>15}" for value in rows[-1]), flush=True)
    results = results_folder(arguments)
    write_measured(results / "scale.csv", COLUMNS, rows)
    grouped = [["plain", *rows[-1]]]
    for name, (replicas, packs) in VARIANTS.items() if max(sizes) > GROUP else ():
        with tempfile.TemporaryDirectory(prefix="ddnn-scale-") as folder:
            row = measure(max(sizes), samples, Path(folder), replicas=replicas, packs=packs)
        grouped.append([name, *row])
        print(" ".join(f"{value!s:>15}" for value in grouped[-1]), flush=True)
    write_measured(results / "scale-grouped.csv", ("groups", *COLUMNS), grouped)


if __name__ == "__main__":
    command(main)
