"""Chooses how exits decide, from validation samples only: temperatures, then thresholds.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import MultiView
from ddnn.decision import decide
from ddnn.errors import ConfigError
from ddnn.model.cost import device_payload
from ddnn.model.joint import Joint
from ddnn.topology import Topology
from ddnn.training.predict import Logits, answer, predict

TEMPERATURES = (0.05, 20.0)
DEFAULT_SLACK = 0.005
"""By default local exits may cost half a point of the last exit's validation accuracy."""


class Goal(NamedTuple):
    """What thresholds are chosen for: at most one of the three, all as validation measures it.

    accuracy: 0 to 1, reached with as few bytes as possible.
    payload_bytes: per device and sample, kept with as much accuracy as possible.
    local_share: 0 to 1, of samples answered below the last exit, at least.
    None of them: as many samples as possible answered early, with at most half a point lost.
    """

    accuracy: float | None = None
    payload_bytes: float | None = None
    local_share: float | None = None


class Point(NamedTuple):
    """What one common threshold costs and gives on validation data."""

    threshold: float
    accuracy: float
    early_share: float
    payload_bytes: float


class Calibration(NamedTuple):
    """The rules, and what they cost and give on validation data. The last has no threshold."""

    rules: dict[str, ExitRule]
    point: Point

    def as_json(self) -> dict[str, Any]:
        """With keys by name."""
        exits = {name: rule.model_dump(mode="json") for name, rule in self.rules.items()}
        return {"exits": exits, "validation": self.point._asdict()}


def calibrate(joint: Joint, samples: MultiView, goal: Goal) -> Calibration:
    """Temperatures, then one threshold for all exits but the last.

    Raises ConfigError for more than one goal, or one that no threshold reaches, naming the
    nearest.
    """
    logits = predict(joint, samples)
    labels_N = samples.fused_labels_N
    temperatures = {name: temperature(x_NK, labels_N) for name, x_NK in logits.items()}
    points = curve(joint.topology, logits, temperatures, samples)
    point = choose(points, goal)
    return Calibration(rules_for(logits, temperatures, point.threshold), point)


def temperature(logits_NK: NDArray[np.float32], labels_N: NDArray[np.int64]) -> float:
    """Divides logits so that probabilities are as likely as the samples show.

    The minimum of the cross entropy over one number. Source: Guo et al. 2017.
    """
    logits, labels = torch.from_numpy(logits_NK).double(), torch.from_numpy(labels_N)
    grid = np.geomspace(*TEMPERATURES, 241)
    losses = [float(F.cross_entropy(logits / value, labels)) for value in grid]
    return float(grid[int(np.argmin(losses))])


def rules_for(
    logits: Logits, temperatures: Mapping[str, float], threshold: float
) -> dict[str, ExitRule]:
    """One threshold for all exits but the last."""
    last = list(logits)[-1]
    return {
        name: ExitRule(
            threshold=None if name == last else threshold, temperature=temperatures[name]
        )
        for name in logits
    }


def curve(
    topology: Topology, logits: Logits, temperatures: Mapping[str, float], samples: MultiView
) -> list[Point]:
    """Every threshold that makes a difference, rising from 0 (nothing exits early) to 1 (all)."""
    names = list(logits)[:-1]
    entropies = [decide(logits[name], temperatures[name]).entropy_N for name in names]
    steps = np.unique(np.concatenate([*entropies, np.zeros(1)]).astype(np.float64))
    between = (steps[1:] + steps[:-1]) / 2
    present_NV = np.ones(samples.labels_NV.shape, dtype=bool)
    points = []
    for threshold in [0.0, *between.tolist(), 1.0] if names else [1.0]:
        rules = rules_for(logits, temperatures, threshold)
        verdicts = answer(logits, rules, samples=samples, present_NV=present_NV)
        early_share = float((verdicts.exit_N < len(logits) - 1).mean())
        local_share = float((verdicts.exit_N == 0).mean()) if "local" in logits else 0.0
        points.append(
            Point(
                threshold,
                float(verdicts.correct_N.mean()),
                early_share,
                device_payload(topology, local_share),
            )
        )
    return points


def choose(points: list[Point], goal: Goal) -> Point:
    """The point that serves the goal best. See Goal for what each asks."""
    if sum(value is not None for value in goal) > 1:
        raise ConfigError("calibrate: want one of accuracy, payload bytes or local share")
    if goal.payload_bytes is not None:
        cheap = [point for point in points if point.payload_bytes <= goal.payload_bytes]
        least = min(point.payload_bytes for point in points)
        _check(cheap, f"{goal.payload_bytes:g} bytes", f"least is {least:.1f}")
        return max(cheap, key=lambda point: (point.accuracy, -point.threshold))
    if goal.local_share is not None:
        early = [point for point in points if point.early_share >= goal.local_share]
        _check(early, f"a share of {goal.local_share:g}", "want at most 1")
        return min(early, key=lambda point: point.threshold)
    wanted = points[0].accuracy - DEFAULT_SLACK if goal.accuracy is None else goal.accuracy
    good = [point for point in points if point.accuracy >= wanted]
    best = max(point.accuracy for point in points)
    _check(good, f"an accuracy of {wanted:g}", f"best is {best:.4f}")
    return max(good, key=lambda point: point.threshold)


def _check(points: list[Point], wanted: str, nearest: str) -> None:
    if not points:
        raise ConfigError(f"calibrate: no threshold gives {wanted} on validation data, {nearest}")
