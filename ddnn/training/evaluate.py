"""Measures a trained network offline: every exit on all samples, and the overall rule.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.checks import check_fits, part_of
from ddnn.data.multiview import MultiView
from ddnn.model.sections import SectionOutput
from ddnn.report.files import write_csv, write_json
from ddnn.report.newest import set_number
from ddnn.report.verdicts import Verdicts, ratio, summarize, wilson_interval, write_verdicts
from ddnn.topology import Topology
from ddnn.training import baselines
from ddnn.training.calibrate import rules_for
from ddnn.training.payload import FeatureBytes, device_payload, feature_bytes, link_payload
from ddnn.training.predict import Logits, answer, classes_at, fuse, perceive, taking_part
from ddnn.training.run import Run

REPORT, VERDICTS, THRESHOLDS = "report.json", "verdicts.csv", "thresholds.csv"
HELD_OUT = ("validation", "test")
"""Parts that baselines are not fitted to."""
SWEEP = tuple(round(0.05 * step, 2) for step in range(21))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What a network makes of N samples under its rules.

    feature_bytes: what each node's features take, should they be sent.
    prior_class: the answer where nobody sees anything.
    """

    topology: Topology
    logits: Logits
    rules: dict[str, ExitRule]
    samples: MultiView
    feature_bytes: FeatureBytes
    prior_class: int
    verdicts: Verdicts

    @property
    def classes_at_exits(self) -> dict[str, NDArray[np.int64]]:
        """By exit: its class of every sample, as if it answered all."""
        return classes_at(self.logits, self.verdicts.present_NV, self.prior_class)

    @property
    def local_N(self) -> NDArray[np.bool_]:
        """Samples answered by the device tier's own exit."""
        local = self.verdicts.exits.index("local") if "local" in self.logits else None
        return np.asarray(self.verdicts.exit_N == local)

    @property
    def local_share(self) -> float:
        """l of equation 1."""
        return float(self.local_N.mean())

    @property
    def payload_bytes(self) -> float:
        """Per device and sample."""
        present_NV = self.verdicts.present_NV
        payload = device_payload(self.topology, present_NV, self.feature_bytes)
        return payload.mean(self.local_N)


Losses = Callable[[int], tuple[NDArray[np.bool_] | None, list[dict[str, Any]]]]
"""Given how many samples: the present devices (N, V), and what the report's `failures` lists."""


def evaluate_run(
    run: Run,
    *,
    card: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    losses: Losses = lambda _samples: (None, []),
) -> dict[str, Any]:
    """Evaluates on a part of a data set; writes report.json, verdicts.csv, thresholds.csv.

    card, view_map: another data set than the run's own, see Run.load_data.
    losses: devices that fail, default none.
    """
    data = run.load_data(card, view_map)
    samples = part_of(data, split, card=card or run.config.card)
    present_NV, failures = losses(len(samples))
    evaluation = evaluate(run, samples, present_NV)
    document = report(run, evaluation)
    if not failures and split in HELD_OUT:
        document["baselines"] = baselines.report(baselines.found(run, data, samples), samples)
    document["failures"] = failures
    document["data"] = {"name": data.name, "digest": data.digest, "split": split}
    set_number(document, run.folder)
    write_json(run.folder / REPORT, document)
    write_verdicts(run.folder / VERDICTS, evaluation.verdicts)
    rows = sweep(evaluation)
    write_csv(run.folder / THRESHOLDS, list(rows[0]), (list(row.values()) for row in rows))
    return document


def evaluate(
    run: Run,
    samples: MultiView,
    present_NV: NDArray[np.bool_] | None = None,
    devices: Mapping[str, SectionOutput] | None = None,
) -> Evaluation:
    """Verdicts of the run's network; all devices are present by default.

    devices: what `perceive` gives of the samples, where it is at hand.
    """
    check_fits(run.topology, samples)
    present_NV = taking_part(run.topology, samples, present_NV)
    devices = perceive(run.joint, samples) if devices is None else devices
    logits = fuse(run.joint, devices, present_NV)
    verdicts = answer(
        logits, run.rules, samples=samples, present_NV=present_NV, prior_class=run.prior_class
    )
    return Evaluation(
        topology=run.topology,
        logits=logits,
        rules=run.rules,
        samples=samples,
        feature_bytes=feature_bytes(run.joint, devices, present_NV),
        prior_class=run.prior_class,
        verdicts=verdicts,
    )


def report(run: Run, evaluation: Evaluation) -> dict[str, Any]:
    """The content of report.json: names as in every report of ddnn."""
    document = summarize(evaluation.verdicts)
    labels_N = evaluation.samples.fused_labels_N
    for name, predicted_N in evaluation.classes_at_exits.items():
        correct_N = predicted_N == labels_N
        exit_part = document["exits"][name]
        exit_part["all_samples_accuracy"] = ratio(int(correct_N.sum()), len(labels_N))
        exit_part["all_samples_interval"] = wilson_interval(int(correct_N.sum()), len(labels_N))
        exit_part["all_samples_classes"] = {
            label: int(correct_N[labels_N == k].sum())
            for k, label in enumerate(evaluation.samples.classes)
        }
        exit_part["threshold"] = evaluation.rules[name].threshold
        exit_part["threshold_lost"] = list(evaluation.rules[name].threshold_lost)
        exit_part["temperature"] = evaluation.rules[name].temperature
    links = link_payload(run.topology, evaluation.verdicts, evaluation.feature_bytes)
    return document | {
        "nodes": _node_bytes(run.topology, links),
        "bytes": {
            "per_device_sample": {"payload": evaluation.payload_bytes},
            "links": [
                {"from": sender, "to": receiver, "payload": count}
                for (sender, receiver), count in links.items()
            ],
        },
        "topology": run.topology.name,
        "calibrated_on": run.calibrated_on,
        "bundle_sha256": run.bundle_sha256,
        "seed": run.config.seed,
        "versions": run.config.versions,
    }


def sweep(evaluation: Evaluation) -> list[dict[str, float | int]]:
    """Accuracy and bytes against one threshold common to all exits: table II, figure 7."""
    temperatures = {name: rule.temperature for name, rule in evaluation.rules.items()}
    rows = []
    for threshold in SWEEP:
        verdicts = answer(
            evaluation.logits,
            rules_for(evaluation.logits, temperatures, threshold),
            samples=evaluation.samples,
            present_NV=evaluation.verdicts.present_NV,
            prior_class=evaluation.prior_class,
        )
        shares: dict[str, float | int] = {
            f"{name}_share": float((verdicts.exit_N == number).mean())
            for number, name in enumerate(verdicts.exits)
        }
        rows.append(
            {"threshold": threshold}
            | shares
            | {
                "accuracy": float(verdicts.correct_N.mean()),
                "payload_bytes": replace(evaluation, verdicts=verdicts).payload_bytes,
                "samples": len(evaluation.samples),
            }
        )
    return rows


def _node_bytes(
    topology: Topology, links: Mapping[tuple[str, str], int]
) -> dict[str, dict[str, int]]:
    return {
        node: {
            "sent_bytes": sum(n for (sender, _), n in links.items() if sender == node),
            "received_bytes": sum(n for (_, receiver), n in links.items() if receiver == node),
        }
        for node in topology.nodes
    }
