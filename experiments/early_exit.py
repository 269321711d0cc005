"""What the scripts of the early-exit ResNet-20 share: its training, its rules, its launches.

Axes: N samples, E exits, K classes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from script import FOLDER
from study import Experiment, Study
from variants import patient

from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.place import place_bundle
from ddnn.bundle.write import write_exits
from ddnn.data.multiview import MultiView
from ddnn.decision import decide, is_sure
from ddnn.errors import ConfigError
from ddnn.report.verdicts import Verdicts
from ddnn.run.launcher import Options, launch
from ddnn.run.outcome import Outcome
from ddnn.topology import Limits, Topology, read_topology
from ddnn.training.calibrate import between
from ddnn.training.predict import Logits
from ddnn.training.run import BUNDLE, Run, open_run

TOPOLOGY, PRESET, CARD = "eeoi-resnet20", "images", "cifar10-jpeg"
SMOKE_CARD = FOLDER / "smoke-images.yaml"
RECIPE: dict[str, Any] = {
    "epochs": 60,
    "precision": "bfloat16",
    "exit_weights": {"local": 0.1, "edge": 0.2},
}
"""One cycle of the learning rate. Without AVX512-BF16 or AMX, --set precision=float32 is faster."""
STEPS = 41
"""Thresholds that are tried at each exit, beside 0 and 1."""
Rules = Mapping[str, ExitRule]


OPTIONS = ("run", "launched")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of all scripts of this network."""
    parser.add_argument("--run", type=Path, help="a finished run, trained when it is not given")
    parser.add_argument("--launched", type=int, default=1000, help="samples of each launch")


experiment = partial(
    Experiment,
    preset=PRESET,
    seeds=1,
    card=CARD,
    smoke_card=SMOKE_CARD,
    options=add_options,
    follow_from=OPTIONS,
)
"""What the scripts of this network describe; each adds its rows and its picture."""


def trained(study: Study, seed: int) -> Run:
    """The network with features of 32 bits: the run of --run, or trained."""
    if study.options.run is None:
        return study.train(read_topology(TOPOLOGY), seed=seed, **RECIPE)
    run = open_run(study.options.run)
    if run.config.seed != seed:
        raise ConfigError(f"--run {run.folder}: of seed {run.config.seed}, want --seeds 1 and 0")
    return run


def samples_to_launch(study: Study) -> MultiView:
    """Test samples to launch: evenly spaced, since files lie sorted by class."""
    test = study.data.part("test")
    count = 20 if study.is_smoke else min(study.options.launched, len(test))
    return test.take(np.linspace(0, len(test) - 1, count).astype(np.int64))


def link_bytes(topology: Topology) -> list[int]:
    """Payload of one sample's features on each link upwards, not coded."""
    nodes = topology.section_nodes
    return [topology.feature_bytes(name) for name in nodes if topology.nodes[name].parent]


def cheapest(
    logits: Logits, rules: Rules, samples: MultiView, *, sent_bytes: Sequence[int], floor: float
) -> dict[str, ExitRule]:
    """A threshold for each exit: the fewest bytes at an accuracy on these samples, 0 to 1, of at
    least `floor`; everything offloaded where none gives it.

    rules: whose temperatures stay. sent_bytes: of a sample, from each early exit upwards.
    """
    found = [decide(logits[name], rules[name].temperature) for name in logits]
    right_EN = np.stack([decision.predicted_N == samples.fused_labels_N for decision in found])
    cost_E = np.cumsum([0, *sent_bytes])
    rows_N = np.arange(len(samples))
    best, cheap = (0.0,) * len(sent_bytes), float(cost_E[-1])
    grids = [[0.0, *between(decision.entropy_N, STEPS), 1.0] for decision in found[:-1]]
    for thresholds in itertools.product(*grids):
        sure = [is_sure(d.entropy_N, t) for d, t in zip(found, thresholds, strict=False)]
        exit_N = np.argmax([*sure, np.ones(len(samples), dtype=bool)], axis=0)
        cost = float(cost_E[exit_N].mean())
        if cost < cheap and right_EN[exit_N, rows_N].mean() >= floor:
            best, cheap = thresholds, cost
    changed = zip(logits, (*best, None), strict=True)
    return {name: rules[name].model_copy(update={"threshold": t}) for name, t in changed}


def thresholds(rules: Rules) -> dict[str, float]:
    """Of the early exits."""
    found = {name: rule.threshold for name, rule in rules.items()}
    return {f"{name}_threshold": t for name, t in found.items() if t is not None}


def launched(
    run: Run,
    rules: Rules,
    samples: MultiView,
    *,
    window: int = 1,
    limits: Mapping[str, Limits] | None = None,
) -> Outcome:
    """The run as processes under these rules, `window` samples at a time.

    limits: by node name. Deadlines are long: on a busy machine nothing is lost.
    """
    document = patient(run.topology.model_dump(mode="json"))
    for name, limit in (limits or {}).items():
        document["nodes"][name]["limits"] = limit.model_dump()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / BUNDLE
        place_bundle(run.folder, Topology.model_validate(document), folder)
        write_exits(folder, rules)
        return launch(load_bundle(folder), samples, Options(window=window, free_ports=True))


def timed(outcome: Outcome) -> dict[str, float]:
    """Milliseconds a sample: the mean over all, and the median and 95th percentile by exit."""
    report = outcome.report
    by_exit = {
        f"{name}_{what}_ms": latency[what]
        for name, latency in report["latency_ms"].items()
        for what in ("p50", "p95")
    }
    return {"mean_ms": 1000 * report["duration_s"] / report["samples"]} | by_exit


def counted(outcome: Outcome) -> dict[str, float]:
    """Bytes a sample, over all samples: payload by sending tier and both; with all headers."""
    report = outcome.report
    links = [link for link in report["bytes"]["links"] if link["kind"] == "features"]
    by_sender = {
        f"{sender}_bytes": sum(link["payload"] for link in links if link["from"] == node)
        for sender, node in (("device", "cam0"), ("edge", "edge0"))
    }
    total = {
        "payload_bytes": sum(by_sender.values()),
        "zmtp_bytes": sum(link["zmtp"] for link in report["bytes"]["links"] if link["data"]),
    }
    return {name: count / report["samples"] for name, count in (by_sender | total).items()}


def share(part: int, whole: int, name: str = "accuracy") -> dict[str, float]:
    """Per cent, and of how many samples."""
    return {name: 100 * part / whole, f"{name}_samples": whole}


def summed(verdicts: Verdicts) -> dict[str, float]:
    """Accuracy, and the share that each exit answers, per cent; of how many samples."""
    shares = {
        f"{name}_share": 100 * float((verdicts.exit_N == number).mean())
        for number, name in enumerate(verdicts.exits)
    }
    accuracy = 100 * float(verdicts.correct_N.mean())
    return {"accuracy": accuracy} | shares | {"samples": len(verdicts.labels_N)}


def equal(found: Verdicts, wanted: Verdicts) -> float:
    """Per cent of verdicts that are equal in class and exit."""
    same_N = (found.predicted_N == wanted.predicted_N) & (found.exit_N == wanted.exit_N)
    return 100 * float(same_N.mean())
