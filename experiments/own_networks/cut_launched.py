"""What `ddnn cut` predicts of a cut, beside launches of that cut: times and bytes.

    python experiments/own_networks/cut_launched.py --train-only    networks of the cuts, once
    python experiments/own_networks/cut_launched.py --out FOLDER    on a quiet machine

MobileNetV3-small on 96 x 96 pixels, 4 bits a value, cut behind three layers. Each cut is a
network of its own with a device and a cloud, launched one sample at a time over an emulated link;
its local exit answers nothing. Device and cloud are processes of this machine, so the server is
as fast as the device. What a sample takes over no link at all tells what the table leaves out:
messages, exits and the rounding of what is sent.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import ddnn
from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.place import place_bundle
from ddnn.bundle.write import write_exits
from ddnn.data.multiview import MultiView
from ddnn.run.launcher.launch import Options, launch
from ddnn.topology import Topology
from ddnn.training.cuts import Cut
from experiments.own_networks.nets import Features
from experiments.shared.provenance import write_measured
from experiments.shared.script import add_places, command, results_folder
from experiments.shared.variants import patient

FOLDER = Path(__file__).parent
CARD = FOLDER / "digits-96.yaml"
LAYERS = {"features.1": 24, "features.3": 12, "features.8": 6}
"""With the side of their maps."""
BITS = 4
LINKS_KBPS = (1000, 10_000)
NEVER = ExitRule(threshold=0.0)
COLUMNS = (
    "layer", "link_kbps", "samples", "device_ms", "link_ms", "rest_ms", "predicted_ms", "p50_ms",
    "p95_ms", "p50_without_link_ms", "predicted_bytes", "payload_bytes",
)  # fmt: skip


def cut_at(layer: str) -> Topology:
    """A device and a cloud, each with its part and an exit."""
    document = ddnn.read_topology("mobilenet-split").model_dump(mode="json")
    of, part = "experiments.own_networks.nets:Features", "ddnn.model.part:part"
    device, cloud = document["tiers"]
    device["section"]["blocks"] = [
        {"kind": "module", "factory": "ddnn.model.part:Normalize"},
        {"kind": "module", "factory": part, "args": {"of": of, "upto": layer}},
    ]
    device["section"]["feature_bits"] = BITS
    device["exit"]["pool"] = LAYERS[layer]
    cloud["section"]["blocks"] = [
        {"kind": "module", "factory": part, "args": {"of": of, "after": layer}}
    ]
    document["classes"] = [str(digit) for digit in range(10)]
    return Topology.model_validate(document)


def trained(layer: str, folder: Path) -> Path:
    """A run of one epoch: times and bytes do not depend on how good it is."""
    out = folder / layer
    if not (out / "bundle").is_dir():
        ddnn.train(
            cut_at(layer), data=CARD, out=out, preset="images", epochs=1, batch=32, overwrite=True
        )
    return out


def launched(run: Path, samples: MultiView, link_kbps: float | None) -> tuple[float, float, float]:
    """p50 and p95 of a sample in ms, and bytes from device to cloud, all answered by the cloud."""
    bundle = load_bundle(run)
    document = patient(bundle.topology.model_dump(mode="json"))
    if link_kbps is not None:
        link = {"from": "camera", "to": "cloud", "bandwidth_kbps": link_kbps}
        document |= {"links": [link]}
    with TemporaryDirectory() as name:
        folder = Path(name) / "placed"
        place_bundle(bundle.folder, Topology.model_validate(document), folder)
        write_exits(folder, {"local": NEVER, "cloud": NEVER})
        options = Options(window=1, free_ports=True)
        report = launch(load_bundle(folder), samples, options).report
    (features,) = (link for link in report["bytes"]["links"] if link["kind"] == "features")
    latency = report["latency_ms"]["cloud"]
    return latency["p50"], latency["p95"], features["payload"] / report["samples"]


def main() -> None:
    """Trains what is not there, then predicts and launches, and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments/cuts"))
    parser.add_argument("--train-only", action="store_true")
    parser.add_argument("--samples", type=int, default=150)
    add_places(parser, smoke="12 samples")
    given = parser.parse_args()
    runs = {layer: trained(layer, given.runs) for layer in LAYERS}
    if given.train_only:
        return
    count = 12 if given.smoke else given.samples
    samples = ddnn.load_data(CARD).part("test").take(np.arange(count))
    free = {layer: launched(run, samples, None)[0] for layer, run in runs.items()}
    rows = []
    for kbps in LINKS_KBPS:
        cuts = ddnn.cut(
            Features(), data=CARD, imagenet=True, bits=BITS, link_kbps=kbps, server_speed=1
        )
        for cut in (each for each in cuts if each.layer in runs):
            found = launched(runs[cut.layer], samples, kbps)
            rows.append(row(cut, kbps, len(samples), free[cut.layer], found))
    path = results_folder(given) / "cut-launched.csv"
    write_measured(path, COLUMNS, rows)
    print(*(",".join(map(str, each)) for each in (COLUMNS, *rows)), path, sep="\n")


def row(
    cut: Cut, link_kbps: float, samples: int, free_ms: float, found: tuple[float, float, float]
) -> tuple[object, ...]:
    """What was predicted, and what was found."""
    p50_ms, p95_ms, payload = found
    link_ms = 8 * cut.raw_bytes / link_kbps
    times = (cut.device_ms, link_ms, cut.rest_ms, cut.total_ms(link_kbps), p50_ms, p95_ms, free_ms)
    rounded = tuple(round(each, 3) for each in times)
    return (cut.layer, link_kbps, samples, *rounded, cut.raw_bytes, payload)


if __name__ == "__main__":
    command(main)
