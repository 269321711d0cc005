"""What each way of sending less costs and saves: bytes at four levels beside accuracy.

Trains the six-camera topology once as it is and once with devices silent about black views, then
exports and calibrates each with the options of the list below, and runs the test split through
all nodes in one process, every message encoded and counted. Baselines send raw views or images
to a cloud that runs the same network. Temperatures, thresholds and code tables come from the
training and validation splits.

    python experiments/byte_options.py --data epfl --seeds 3 --runs runs/bytes

writes byte-options-CARD.csv: one line a variant and seed, then means.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.write import write_bundle
from ddnn.data.loading import load
from ddnn.data.multiview import DataSet, MultiView
from ddnn.model.joint import Joint
from ddnn.report.files import write_csv
from ddnn.report.verdicts import wilson_interval
from ddnn.run.inprocess import run_inprocess
from ddnn.run.outcome import LEVELS, device_sample_bytes, link_counts
from ddnn.topology import Topology, read_topology
from ddnn.training.calibrate import Goal, calibrate
from ddnn.training.fit import accuracies
from ddnn.training.payload import fit_tables
from ddnn.training.predict import answer, predict, taking_part
from ddnn.training.run import Run, open_run, train_run, versions
from ddnn.training.settings import settings_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One line of the table.

    trained: as of which topology option `absent`. budget: payload bytes a device and sample that
    the thresholds keep to on validation data; None: `ddnn calibrate`'s default.
    offload: views that are sent to the cloud in place of features.
    """

    name: str
    trained: str = "send"
    scores: str = "float32"
    features: str = "raw-bits"
    budget: float | None = None
    offload: str | None = None


TARGET = 12.0
VARIANTS = (
    Variant(name="raw views", offload="raw-bits"),
    Variant(name="JPEG views", offload="jpeg"),
    Variant(name="raw views, none black", trained="skip", offload="raw-bits"),
    Variant(name="JPEG views, none black", trained="skip", offload="jpeg"),
    Variant(name="as shipped"),
    Variant(name="scores float16", scores="float16"),
    Variant(name="scores int8", scores="int8"),
    Variant(name="absent skip", trained="skip"),
    Variant(name="entropy-coded", features="entropy-coded"),
    Variant(name="int8, skip", trained="skip", scores="int8"),
    Variant(name="int8, skip, coded", trained="skip", scores="int8", features="entropy-coded"),
    Variant(name="as shipped, 12 bytes", budget=TARGET),
    Variant(
        name="int8, skip, coded, 12 bytes",
        trained="skip",
        scores="int8",
        features="entropy-coded",
        budget=TARGET,
    ),
    Variant(
        name="int8, skip, coded, 3 bytes",
        trained="skip",
        scores="int8",
        features="entropy-coded",
        budget=TARGET / 4,
    ),
)
"""Budgets hold on validation data, whose frames lie among those of training and are easier than
later ones: a budget of 12 takes about 21 bytes on the test split of epfl, one of 3 leaves room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What is measured."""

    card: str = "rendered"
    preset: str = "robust"
    epochs: int | None = None
    seeds: int = 3
    variants: tuple[Variant, ...] = VARIANTS
    samples: int | None = None
    runs: Path | None = None
    out: Path = Path(__file__).parent / "results"


def main() -> None:
    """Measures every seed, writes the CSVs, prints the means."""
    config, threads = arguments()
    torch.set_num_threads(threads)
    data = fewer(load(config.card), config.samples)
    rows: list[dict[str, Any]] = []
    for seed in range(config.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            runs = config.runs or Path(temporary)
            trained = {absent: train(config, data, runs, seed, absent) for absent in SKIPPING}
            for variant in config.variants:
                rows.append(measure(variant, trained[variant.trained], data, Path(temporary)))
                print(_line(rows[-1]), flush=True)
    means = [mean_of([r for r in rows if r["variant"] == v.name]) for v in config.variants]
    path = config.out / f"byte-options-{Path(config.card).stem}.csv"
    write_csv(path, list(rows[0]), ([_cell(x) for x in row.values()] for row in [*rows, *means]))
    print("\nmeans", *map(_line, means), path, sep="\n")


SKIPPING = {"send": "six-cameras", "skip": "six-cameras-skip"}


def arguments() -> tuple[Config, int]:
    """The configuration and the number of torch threads."""
    base = Config()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default=base.card, metavar="CARD")
    parser.add_argument("--seeds", type=int, default=base.seeds)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--runs", type=Path, help="keep trained runs here, use those that exist")
    parser.add_argument("--out", type=Path, default=base.out)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true", help="one seed, one epoch, few samples")
    given = parser.parse_args()
    config = Config(
        card=given.data,
        epochs=1 if given.smoke else given.epochs,
        seeds=1 if given.smoke else given.seeds,
        variants=(VARIANTS[1], VARIANTS[-1]) if given.smoke else VARIANTS,
        samples=32 if given.smoke else None,
        runs=given.runs,
        out=given.out,
    )
    return config, given.threads


def fewer(data: DataSet, count: int | None) -> DataSet:
    """The first samples of each part, for a try; None: all."""
    if count is None:
        return data
    parts = {name: getattr(data.split, name)[:count] for name in ("train", "validation", "test")}
    return replace(data, split=replace(data.split, **parts))


def train(config: Config, data: DataSet, runs: Path, seed: int, absent: str) -> Run:
    """A run of six-cameras, opened where it exists."""
    folder = runs / f"{Path(config.card).stem}-{absent}-{seed}"
    if (folder / "bundle" / "manifest.json").exists():
        return open_run(folder)
    return train_run(
        folder,
        changed(read_topology("six-cameras"), absent=absent),
        config.card,
        settings_for(config.preset, epochs=config.epochs),
        seed=seed,
        overwrite=True,
        data=data,
    )


def changed(
    topology: Topology, *, absent: str, scores: str = "float32", features: str = "raw-bits"
) -> Topology:
    """The topology with other options."""
    document = topology.model_dump(mode="json")
    document["tiers"][0] |= {"absent": absent, "features": features}
    for tier in document["tiers"]:
        if tier["exit"] is not None:
            tier["exit"]["scores"] = scores
    return Topology.model_validate(document)


def measure(variant: Variant, run: Run, data: DataSet, folder: Path) -> dict[str, Any]:
    """One line: accuracies and shares in per cent, bytes per device and sample."""
    test = data.part("test")
    joint, rules = exported(variant, run, data)
    topology = joint.topology
    write_bundle(folder / "bundle", joint, exits=rules, prior_class=run.prior_class)
    bundle = load_bundle(folder / "bundle")
    logits, present_NV = predict(joint, test), taking_part(topology, test)
    offline = answer(
        logits, rules, samples=test, present_NV=present_NV, prior_class=run.prior_class
    )
    single, batched = (counted(bundle, test, window) for window in (1, 64))
    verdicts = single["verdicts_N"]
    low, high = wilson_interval(int(offline.correct_N.sum()), len(test)) or (0.0, 0.0)
    alone = accuracies(logits, test)
    return {
        "variant": variant.name,
        "seed": run.config.seed,
        "overall": 100 * float(offline.correct_N.mean()),
        "low": 100 * low,
        "high": 100 * high,
        "all_local": 100 * alone["local"] if "local" in alone else "",
        "all_cloud": 100 * alone["cloud"],
        "local_share": 100 * float((offline.exit_N == 0).mean()) if "local" in alone else "",
        **single["bytes"],
        **{f"{level}_window_64": batched["bytes"][level] for level in ("zmtp", "ip")},
        "equal_verdicts": 100 * float((verdicts == offline.predicted_N).mean()),
        "test_samples": len(test),
        "epochs": run.config.settings.epochs,
        "data": data.name,
        "digest": data.digest[:16],
        "versions": " ".join(f"{name}={value}" for name, value in versions().items()),
    }


def exported(variant: Variant, run: Run, data: DataSet) -> tuple[Joint, dict[str, ExitRule]]:
    """The network with the variant's options, and its rules from validation samples."""
    if variant.offload is None:
        topology = changed(
            run.topology, absent=variant.trained, scores=variant.scores, features=variant.features
        )
        joint = Joint(topology)
        joint.load_state_dict(run.joint.state_dict(), strict=False)
    else:
        raw = read_topology("six-cameras-raw")
        joint = moved_to_cloud(
            run.joint, changed(raw, absent=variant.trained, features=variant.offload)
        )
    fit_tables(joint.eval(), data.part("train"))
    goal = Goal(payload_bytes=variant.budget)
    return joint, calibrate(joint, data.part("validation"), goal).rules


def moved_to_cloud(joint: Joint, topology: Topology) -> Joint:
    """The same network, devices' sections included, fed with views that were sent.

    Sent views are multiples of 1/255, a device's own of 1/256: batch norm takes up the difference.
    """
    moved = Joint(topology)
    for camera, node in zip(joint.topology.devices, topology.members("view"), strict=True):
        blocks = moved.sections[node].blocks
        blocks.load_state_dict(joint.sections[camera].blocks.state_dict())
        norm: Any = blocks[0].norm
        norm.running_mean *= 256 / 255
        norm.running_var *= (256 / 255) ** 2
    moved.sections["cloud"].load_state_dict(joint.sections["cloud"].state_dict())
    moved.exits["cloud"].load_state_dict(joint.exits["cloud"].state_dict())
    return moved


def counted(bundle: Bundle, samples: MultiView, window: int) -> dict[str, Any]:
    """What a run through all nodes counts and answers."""
    collector = run_inprocess(bundle, samples.views_NVCHW, window=window)
    sent = device_sample_bytes(link_counts(collector.accounts), bundle.topology)
    return {"bytes": {level: sent[level] for level in LEVELS}, "verdicts_N": collector.predicted_N}


def mean_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of what varies with the seed; what does not stays."""
    return {
        key: float(np.mean([row[key] for row in rows])) if isinstance(value, float) else value
        for key, value in rows[0].items()
    } | {"seed": "mean"}


def _line(row: dict[str, Any]) -> str:
    names = ("overall", "all_cloud", "local_share", *LEVELS)
    cells = "  ".join(f"{name} {_cell(row[name])}" for name in names)
    return f"{row['variant']:32} {row['seed']}  {cells}"


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
