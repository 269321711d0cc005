r"""Bytes against image files: the early-exit ResNet-20 beside sending pictures to a cloud.

    python experiments/early_exit/eeoi_images.py --data experiments/early_exit/cifar10-short.yaml \
        --set epochs=12 --launched 300

A camera that sends pictures sends a file a sample, and the network of 32 bits has all of it in the
cloud, on what the file decodes to. Beside it: narrow.yaml, whose links are learned bottlenecks of 2
bits a value, trained as long, with thresholds chosen on validation data and its features
entropy-coded. Test samples are used once, for these rows. `loss_points`: against the network of 32
bits on the pictures as they are. Bytes of files are whole files, with all their headers.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ddnn.report.plots import BLUE, GRAY, ORANGE
from ddnn.topology import read_topology
from ddnn.training.evaluate import evaluate
from experiments.early_exit import eeoi_bits
from experiments.early_exit.recipe import RECIPE, experiment, trained
from experiments.paper.image_codes import Code, through
from experiments.shared.script import FOLDER
from experiments.shared.study import Means, Rows, Study, main

NARROW = "bottleneck"
TOPOLOGY = FOLDER / "early_exit" / "narrow.yaml"
CODES: dict[str, Code | None] = {
    "raw": None,
    "PNG": Code("PNG", {"optimize": True}),
    **{f"JPEG {q}": Code("JPEG", {"quality": q, "optimize": True}) for q in (90, 75, 50, 30, 10)},
    **{f"WebP {q}": Code("WEBP", {"quality": q, "method": 6}) for q in (75, 50, 20, 5)},
}
FILES = "all offloaded"


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Bytes a sample, accuracy and what is lost of it."""
    whole = trained(study, seed)
    if setting == NARROW:
        topology = read_topology(TOPOLOGY)
        run = study.train(topology, seed=seed, **RECIPE)
        bits = [tier.section.sent_bits for tier in topology.tiers[:-1]]
        return eeoi_bits.rows_of(study, run, bits, whole=whole)
    test = study.data.part("test")
    arrived, bytes_NV = through(CODES[setting], test)
    best_N, right_N = (
        evaluate(whole, samples).classes_at_exits["cloud"] == test.fused_labels_N
        for samples in (test, arrived)
    )
    return {
        FILES: {
            "accuracy": 100 * float(np.mean(right_N)),
            "samples": len(test),
            "payload_bytes": float(bytes_NV.sum(axis=1).mean()),
        }
        | eeoi_bits.lost(np.asarray(best_N), np.asarray(right_N))
    }


def draw(figure: Figure, means: Means) -> None:
    """Accuracy against bytes, a point a file format and quality."""
    axes = figure.subplots()
    for setting, rows in means.items():
        for name, row in rows.items():
            is_ours = setting == NARROW
            color = (BLUE if name == eeoi_bits.CODED else ORANGE) if is_ours else GRAY
            place = (row["payload_bytes"].value, row["accuracy"].value)
            axes.plot(*place, "o", color=color)
            axes.annotate(f" {name if is_ours else setting}", place, color=color, fontsize=7)
    axes.set(xscale="log", xlabel="bytes a sample, all links", ylabel="% right")
    axes.set_title("Pictures to the cloud, and learned bottlenecks with early exits")


EXPERIMENT = experiment(
    name="eeoi-images",
    about=__doc__ or "",
    settings=lambda study: ["raw", "JPEG 75", NARROW] if study.is_smoke else [*CODES, NARROW],
    measure=measure,
    draw=draw,
    published={},
)

if __name__ == "__main__":
    main(EXPERIMENT)
