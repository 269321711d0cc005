"""Latency over emulated links: what a slow radio and a far cloud cost, measured on real processes.

    python experiments/runtime/links.py RUN [--samples 200] [--smoke]

One sample at a time, for each kind of links below. Prints and writes CSV: p50 and p95 latency of
each exit, and the least that bytes and distance allow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ddnn.bench.runtime import random_views
from ddnn.bundle.load import load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.run.launcher.launch import Options, launch
from ddnn.topology import CLOUD, Topology
from ddnn.wire.header import HEADER
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder

RADIO_KBPS = 250  # an 802.15.4 radio at 2.4 GHz
WAN_MS = 40  # one way to a cloud in another country
COLUMNS = ("links", "exit", "samples", "p50_ms", "p95_ms", "least_ms")

Links = list[dict[str, Any]]


def radio(topology: Topology) -> Links:
    """Everything a device sends upwards goes over one slow link a receiver."""
    found = []
    for name in topology.devices:
        exit_at = topology.tiers[0].exit.at if topology.tiers[0].exit else None
        receivers = {exit_at, topology.nodes[name].parent} - {None}
        found += [{"from": name, "to": to, "bandwidth_kbps": RADIO_KBPS} for to in receivers]
    return found


def far_cloud(topology: Topology) -> Links:
    """Features to the cloud, and its verdict back, take their time."""
    cloud = topology.members(CLOUD)[0]
    there = [{"from": name, "to": cloud, "latency_ms": WAN_MS} for name in topology.children(cloud)]
    return [*there, {"from": cloud, "to": "collector", "latency_ms": WAN_MS}]


def both(topology: Topology) -> Links:
    """Both at once; links given twice are one with both."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for link in radio(topology) + far_cloud(topology):
        merged.setdefault((link["from"], link["to"]), {}).update(link)
    return list(merged.values())


VARIANTS: dict[str, Callable[[Topology], Links]] = {
    "none": lambda _topology: [],
    f"radio {RADIO_KBPS} kbit/s": radio,
    f"cloud {WAN_MS} ms": far_cloud,
    "both": both,
}


def with_links(topology: Topology, links: Links) -> Topology:
    """The same, with these emulated links and time enough for them."""
    document = topology.model_dump(mode="json") | {"links": links}
    for number, tier in enumerate(document["tiers"]):
        tier["deadline_ms"] = 1000 + 2 * number
        if tier["exit"] is not None:
            tier["exit"]["deadline_ms"] = 1000 + 2 * number + 1
    document["collector"]["answer_ms"] = 2000
    return Topology.model_validate(document)


def least_ms(topology: Topology, name: str) -> float:
    """What bytes and distance alone take for a sample that this exit answers."""
    device = topology.devices[0]
    links = {(link.sender, link.receiver): link for link in topology.links}
    row = HEADER.size + 4 + -(-topology.views // 8)
    gateway = topology.tiers[0].exit.at if topology.tiers[0].exit else ""
    parent = topology.nodes[device].parent or ""
    sent = [(gateway, row + topology.score_bytes(device))]
    if name != "local":
        sent.append((parent, row + topology.feature_bytes(device)))
    total = 0.0
    for receiver, size in sent:
        link = links.get((device, receiver))
        if link is not None:
            total += link.latency_ms + (size * 8 / (link.bandwidth_kbps or float("inf")))
    cloud = topology.members(CLOUD)[0]
    if name == "cloud" and (cloud, "collector") in links:
        total += links[cloud, "collector"].latency_ms
    return total


def main() -> None:
    """Every variant, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=200)
    add_places(parser, smoke="20 samples")
    arguments = parser.parse_args()
    bundle = load_bundle(arguments.run)
    samples = random_views(bundle.topology, 20 if arguments.smoke else arguments.samples)
    rows = []
    print(" ".join(f"{name:>16}" for name in COLUMNS))
    for variant, links in VARIANTS.items():
        topology = with_links(bundle.topology, links(bundle.topology))
        with TemporaryDirectory() as folder:
            placed = place_bundle(bundle.folder, topology, Path(folder) / "placed")
            report = launch(placed, samples, Options(window=1, free_ports=True)).report
        for name, latency in report["latency_ms"].items():
            answered = report["exits"][name]["samples"]
            least = least_ms(topology, name)
            row = [variant, name, answered, latency["p50"], latency["p95"], least]
            print(" ".join(f"{v:16.2f}" if isinstance(v, float) else f"{v:>16}" for v in row))
            rows.append(row)
    write_measured(results_folder(arguments) / "links.csv", COLUMNS, rows)


if __name__ == "__main__":
    command(main)
