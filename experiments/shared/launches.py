"""Trained runs as real processes: which samples, the launch, its times and bytes, its verdicts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ddnn.bundle.load import load_bundle
from ddnn.bundle.manifest import ExitRule
from ddnn.bundle.place import place_bundle
from ddnn.bundle.write import write_exits
from ddnn.data.multiview import MultiView
from ddnn.report.verdicts import Verdicts
from ddnn.run.launcher.launch import Options, launch
from ddnn.run.outcome import Outcome
from ddnn.topology import Limits, Topology
from ddnn.training.run import BUNDLE, Run
from experiments.shared.study import Study
from experiments.shared.variants import patient

OPTIONS = ("run", "launched")
"""Of `add_options`: rows follow from both."""
Rules = Mapping[str, ExitRule]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of scripts that launch one large network."""
    parser.add_argument("--run", type=Path, help="a finished run, trained when it is not given")
    parser.add_argument("--launched", type=int, default=1000, help="samples of each launch")


def samples_to_launch(study: Study) -> MultiView:
    """Test samples to launch: evenly spaced, since files lie sorted by class."""
    test = study.data.part("test")
    count = 20 if study.is_smoke else min(study.options.launched, len(test))
    return test.take(np.linspace(0, len(test) - 1, count).astype(np.int64))


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
    """Milliseconds a sample, one at a time: the mean over all, the median and 95th percentile by
    exit."""
    report = outcome.report
    by_exit = {
        f"{name}_{what}_ms": latency[what]
        for name, latency in report["latency_ms"].items()
        for what in ("p50", "p95")
    }
    return {"mean_ms": 1000 * report["duration_s"] / report["samples"]} | by_exit


def counted(outcome: Outcome, topology: Topology) -> dict[str, float]:
    """Bytes a sample, over all samples: payload by sending tier and both; with all headers."""
    report = outcome.report
    senders = [node for node in topology.nodes.values() if node.parent is not None]
    sent = {f"{node.role}_bytes": 0 for node in senders}
    for link in report["bytes"]["links"]:
        if link["kind"] == "features":
            sent[f"{topology.nodes[link['from']].role}_bytes"] += link["payload"]
    total = {
        "payload_bytes": sum(sent.values()),
        "zmtp_bytes": sum(link["zmtp"] for link in report["bytes"]["links"] if link["data"]),
    }
    return {name: count / report["samples"] for name, count in (sent | total).items()}


def equal(found: Verdicts, wanted: Verdicts) -> dict[str, float]:
    """Per cent of verdicts that are equal in class and exit, and of how many."""
    same_N = (found.predicted_N == wanted.predicted_N) & (found.exit_N == wanted.exit_N)
    return {
        "equal_verdicts": 100 * float(same_N.mean()),
        "equal_verdicts_samples": len(same_N),
    }
