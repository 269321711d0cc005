"""Bytes against image files: the early-exit ResNet-20 beside sending pictures to a cloud.

    python experiments/early_exit/eeoi_images.py --data experiments/early_exit/cifar10-short.yaml \\
        --set epochs=12 --launched 300

A camera that sends pictures sends a file a sample, and the network of 32 bits has all of it in the
cloud, on what the file decodes to. Beside it: narrow.yaml, whose links are learned bottlenecks of 2
bits a value, trained as long, with thresholds chosen on validation data and its features
entropy-coded. `early, else a file`: the device answers what its exit is sure of and sends the
file of the others, from which the cloud begins anew; the threshold is the cheapest for at most half
a point on validation data, the file's loss included, or for at most `one point`. `launched`: the
same as processes, the picture on the link as ddnn's own JPEG files, and these bytes counted.
`loss_points`: against the network of 32 bits on the pictures as they are. Bytes of files are whole
files, with all their headers.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.data.multiview import MultiView
from ddnn.decision import decide, is_sure
from ddnn.report.plots import BLUE, GRAY, ORANGE
from ddnn.topology import read_topology
from ddnn.training.evaluate import evaluate
from ddnn.training.predict import Logits, predict
from ddnn.training.run import Run
from experiments.early_exit import eeoi_bits
from experiments.early_exit.early_file import with_files
from experiments.early_exit.recipe import (
    HALF_POINT,
    RECIPE,
    cheapest,
    experiment,
    thresholds,
    trained,
)
from experiments.paper.image_codes import Code, through
from experiments.shared.launches import (
    Rules,
    add_options,
    counted,
    equal,
    launched,
    samples_to_launch,
)
from experiments.shared.measures import summed
from experiments.shared.script import FOLDER, add_only
from experiments.shared.study import Means, Rows, Study, main

NARROW, SENT = "bottleneck", "JPEG 75, launched"
ONE_POINT = {f"{name}, one point": name for name in ("JPEG 75", "WebP 75", "WebP 50")}
"""The same with twice the loss that thresholds may cost, for the best files."""
LOCAL, CLOUD = "local", "cloud"
TOPOLOGY = FOLDER / "early_exit" / "narrow.yaml"
CODES: dict[str, Code | None] = {
    "raw": None,
    "PNG": Code("PNG", {"optimize": True}),
    **{f"JPEG {q}": Code("JPEG", {"quality": q, "optimize": True}) for q in (90, 75, 50, 30, 10)},
    **{f"WebP {q}": Code("WEBP", {"quality": q, "method": 6}) for q in (75, 50, 20, 5)},
}
FILES, EARLY = "all offloaded", "early, else a file"
LAUNCHED = CODES["JPEG 75"]
"""As ddnn.coding.jpeg makes them."""


def measure(study: Study, setting: str, seed: int) -> Rows:
    """Bytes a sample, accuracy and what is lost of it."""
    whole = trained(study, seed)
    if setting == NARROW:
        topology = read_topology(TOPOLOGY)
        run = study.train(topology, seed=seed, **RECIPE)
        bits = [tier.section.sent_bits for tier in topology.tiers[:-1]]
        return eeoi_bits.rows_of(study, run, bits, whole=whole)
    if setting == SENT:
        return {EARLY: as_processes(study, whole)}
    if setting in ONE_POINT:
        return {EARLY: files(study, whole, CODES[ONE_POINT[setting]], 2 * HALF_POINT)[EARLY]}
    return files(study, whole, CODES[setting])


def files(study: Study, whole: Run, code: Code | None, loss: float = HALF_POINT) -> Rows:
    """With all pictures sent, and with those that the device's exit is unsure of. loss: of
    validation accuracy, at most."""
    validation, test = (study.data.part(name) for name in ("validation", "test"))
    best_N = right_at(predict(whole.joint, test), test, CLOUD)
    logits, bytes_N = arrived(whole, test, code)
    right_N = right_at(logits, test, CLOUD)
    rules = chosen(whole, validation, code, loss)
    local = decide(logits[LOCAL], rules[LOCAL].temperature)
    early_N = is_sure(local.entropy_N, rules[LOCAL].threshold)
    mixed_N = np.where(early_N, right_at(logits, test, LOCAL), right_N)
    return {
        FILES: row(right_N, bytes_N, best_N),
        EARLY: row(mixed_N, bytes_N * ~early_N, best_N)
        | {"local_share": 100 * float(early_N.mean()), "local_share_samples": len(test)}
        | thresholds(rules),
    }


def chosen(whole: Run, validation: MultiView, code: Code | None, loss: float = HALF_POINT) -> Rules:
    """Of both exits, see above."""
    logits, cost_N = arrived(whole, validation, code)
    clean_N = right_at(predict(whole.joint, validation), validation, CLOUD)
    return cheapest(
        logits,
        whole.rules,
        validation,
        sent_bytes=[float(cost_N.mean())],
        floor=float(clean_N.mean()) - loss,
    )


def as_processes(study: Study, whole: Run) -> dict[str, float]:
    """The early exit and JPEG files of real processes: what they answered and what was counted on
    the link, two bytes of length before each file included."""
    rules, samples = (
        chosen(whole, study.data.part("validation"), LAUNCHED),
        samples_to_launch(study),
    )
    best_N = right_at(predict(whole.joint, samples), samples, CLOUD)
    with TemporaryDirectory() as temporary:
        run = with_files(whole, rules, Path(temporary))
        outcome = launched(run, run.rules, samples)
        verdicts = outcome.verdicts
        return (
            summed(verdicts)
            | {"local_share_samples": len(samples)}
            | counted(outcome, run.topology)
            | equal(verdicts, evaluate(run, samples).verdicts)
            | eeoi_bits.lost(best_N, verdicts.correct_N)
        )


def arrived(whole: Run, samples: MultiView, code: Code | None) -> tuple[Logits, NDArray[np.int64]]:
    """Logits of the device's exit on the pictures and of the cloud's on what arrives of them, and
    each sample's bytes, (N,)."""
    there, bytes_NV = through(code, samples)
    logits = {
        LOCAL: predict(whole.joint, samples)[LOCAL],
        CLOUD: predict(whole.joint, there)[CLOUD],
    }
    return logits, bytes_NV.sum(axis=1)


def right_at(logits: Logits, samples: MultiView, name: str) -> NDArray[np.bool_]:
    """(N,): whether an exit that answers everything is right."""
    return np.asarray(logits[name].argmax(axis=1) == samples.fused_labels_N)


def row(
    right_N: NDArray[np.bool_], bytes_N: NDArray[np.int64], best_N: NDArray[np.bool_]
) -> dict[str, float]:
    """The measures of one way. best_N: what the network has right of the pictures as they are."""
    return {
        "accuracy": 100 * float(right_N.mean()),
        "samples": len(right_N),
        "payload_bytes": float(bytes_N.mean()),
    } | eeoi_bits.lost(best_N, right_N)


def draw(figure: Figure, means: Means) -> None:
    """Accuracy against bytes, a point a file format and quality."""
    axes = figure.subplots()
    for setting, rows in means.items():
        for name, row in rows.items():
            color = BLUE if setting == NARROW else ORANGE if name == EARLY else GRAY
            place = (row["payload_bytes"].value, row["accuracy"].value)
            axes.plot(*place, "o", color=color)
            if name != EARLY or setting == SENT:
                text = name if setting == NARROW else setting
                axes.annotate(f" {text}", place, color=color, fontsize=7)
    axes.set(xscale="log", xlabel="bytes a sample, all links", ylabel="% right")
    axes.set_title("Pictures to the cloud (orange: early exit first), and learned bottlenecks")


SETTINGS = (*CODES, *ONE_POINT, NARROW, SENT)
SMOKE_SETTINGS = ("raw", "JPEG 75", "JPEG 75, one point", NARROW, SENT)


def options(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    add_only(parser, SETTINGS)


EXPERIMENT = experiment(
    name="eeoi-images",
    about=__doc__ or "",
    settings=lambda study: SMOKE_SETTINGS if study.is_smoke else study.options.only,
    options=options,
    measure=measure,
    draw=draw,
    published={},
)

if __name__ == "__main__":
    main(EXPERIMENT)
