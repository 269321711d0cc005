"""Numbers of a trained network as the paper's tables give them: per cent, payload bytes.

Axes: N samples, V views.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.report.verdicts import Verdicts
from ddnn.training.calibrate import rules_for
from ddnn.training.evaluate import Evaluation, evaluate
from ddnn.training.failures import present_without
from ddnn.training.predict import answer, perceive
from ddnn.training.run import Run
from experiments.shared.objects import share_right

PAPER_THRESHOLD = 0.8
"""Of the paper's figures 8 to 10, on entropies without a temperature (section IV-D)."""


def evaluated(run: Run, samples: MultiView, lost: Collection[str] = ()) -> Evaluation:
    """The run's network on these samples without the lost devices."""
    present_NV = present_without(run.topology, tuple(lost), len(samples))
    return evaluate(run, samples, present_NV)


def at_exits(
    evaluation: Evaluation, objects_N: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Accuracy of each exit answering every sample, see `share_right`."""
    labels_N = evaluation.samples.fused_labels_N
    rows = (
        share_right(k_N == labels_N, objects_N, name)
        for name, k_N in evaluation.classes_at_exits.items()
    )
    return {measure: value for row in rows for measure, value in row.items()}


def at_rules(
    evaluation: Evaluation, objects_N: NDArray[np.int64] | None = None
) -> dict[str, float]:
    """Accuracy, see `share_right`, local share and payload under the evaluation's own rules."""
    return share_right(evaluation.verdicts.correct_N, objects_N, "overall") | {
        "local_share": 100 * evaluation.local_share,
        "payload_bytes": evaluation.payload_bytes,
    }


def share(part: int, whole: int, name: str = "accuracy") -> dict[str, float]:
    """Per cent, and of how many samples."""
    return {name: 100 * part / whole, f"{name}_samples": whole}


def exit_rows(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """A row for each exit: every sample answered there, and its temperature."""
    rows = {}
    for name, predicted_N in evaluation.classes_at_exits.items():
        correct_N = predicted_N == evaluation.samples.fused_labels_N
        rows[f"exit {name}"] = share(int(correct_N.sum()), len(correct_N)) | {
            "temperature": evaluation.rules[name].temperature
        }
    return rows


def summed(verdicts: Verdicts) -> dict[str, float]:
    """Accuracy, and the share that each exit answers, per cent; of how many samples."""
    shares = {
        f"{name}_share": 100 * float((verdicts.exit_N == number).mean())
        for number, name in enumerate(verdicts.exits)
    }
    accuracy = 100 * float(verdicts.correct_N.mean())
    return {"accuracy": accuracy} | shares | {"samples": len(verdicts.labels_N)}


def overall(evaluation: Evaluation) -> float:
    """Accuracy under the evaluation's own rules."""
    return 100 * float(evaluation.verdicts.correct_N.mean())


def with_threshold(evaluation: Evaluation, threshold: float) -> Evaluation:
    """The same network at one threshold for all exits but the last, temperature 1 as published."""
    temperatures = dict.fromkeys(evaluation.logits, 1.0)
    return with_rules(evaluation, rules_for(evaluation.logits, temperatures, threshold))


def with_rules(evaluation: Evaluation, rules: dict[str, ExitRule]) -> Evaluation:
    """The same network under other rules."""
    verdicts = answer(
        evaluation.logits,
        rules,
        samples=evaluation.samples,
        present_NV=evaluation.verdicts.present_NV,
        prior_class=evaluation.prior_class,
    )
    return replace(evaluation, rules=rules, verdicts=verdicts)


def both_rules(evaluation: Evaluation) -> dict[str, float]:
    """Exits alone, overall at the paper's T = 0.8, and at thresholds calibrated on validation."""
    return at_exits(evaluation) | {
        "overall": overall(with_threshold(evaluation, PAPER_THRESHOLD)),
        "overall_calibrated": overall(evaluation),
    }


def right_alone(run: Run, samples: MultiView) -> NDArray[np.float64]:
    """(V,) per cent: each device's own class on its own view; an absent view counts as wrong,
    as in the authors' code."""
    devices = perceive(run.joint, samples)
    found = []
    for view, name in enumerate(run.topology.devices):
        scores = devices[name].scores
        assert scores is not None
        right_N = scores.argmax(dim=1).cpu().numpy() == samples.labels_NV[:, view]
        found.append(100 * float(right_N.mean()))
    return np.array(found)
