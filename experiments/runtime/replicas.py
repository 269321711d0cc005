"""Throughput of one cloud and of two: what replicas bring where the cloud is the bottleneck.

    python experiments/runtime/replicas.py RUN [--samples 400] [--rounds 5]

RUN is a trained run whose cloud is heavy (`ddnn train hybrid-resnet32-n17-k1 ...`), of which the
samples that the cloud answers count (`ddnn calibrate RUN --early-share 0` sends all of them there).
In turns: one cloud, then as many as `--clouds` says. Prints and writes CSV: samples a second. The
replicas share the cores of one machine with the devices and the gateway.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.run.launcher.launch import Options, free_endpoints, launch
from ddnn.topology import CLOUD, Topology
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

COLUMNS = ("clouds", "round", "cloud_share", "samples_per_s", "p50_ms")


def with_clouds(topology: Topology, count: int) -> Topology:
    """The same at free ports, with so many replicas of the cloud, and deadlines that nothing
    reaches: busy is not dead."""
    document = topology.with_endpoints(free_endpoints(topology)).model_dump(mode="json")
    cloud = topology.members(CLOUD)[0]
    document["nodes"][cloud]["replicas"] = count
    document["heartbeat"] |= {"patience": 20}
    document["collector"]["answer_ms"] = 60_000
    for number, tier in enumerate(document["tiers"]):
        tier["deadline_ms"] = 20_000 + 2 * number
        if tier["exit"] is not None:
            tier["exit"]["deadline_ms"] = 20_000 + 2 * number + 1
    return Topology.model_validate(document)


def main() -> None:
    """Both in turns, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clouds", type=int, default=2)
    add_places(parser, smoke="20 samples, one round")
    arguments = parser.parse_args()
    count, rounds = (20, 1) if arguments.smoke else (arguments.samples, arguments.rounds)
    bundle = load_bundle(arguments.run)
    samples = random_views(bundle.topology, count)
    rows: list[tuple[int, int, float, float, float]] = []
    for number in range(rounds):
        for clouds in (1, arguments.clouds):
            with TemporaryDirectory() as folder:
                topology = with_clouds(bundle.topology, clouds)
                placed = place_bundle(bundle.folder, topology, Path(folder) / "placed")
                report = launch(placed, samples, Options(free_ports=True)).report
            share = report["exits"]["cloud"]["share"]
            latency = report["latency_ms"]["cloud"]["p50"]
            rows.append((clouds, number, share, report["throughput_samples_per_s"], latency))
            print(
                "{} clouds, round {}: {:.0%} at the cloud, {:.0f}/s, p50 {:.1f} ms".format(
                    *rows[-1]
                )
            )
    one, more = ([row[3] for row in rows if row[0] == n] for n in (1, arguments.clouds))
    print(f"{arguments.clouds} clouds / one: {median(more) / median(one):.2f}")
    write_measured(results_folder(arguments) / "replicas.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
