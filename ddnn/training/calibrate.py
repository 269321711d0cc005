"""Chooses how exits decide, never from test samples: temperatures, then thresholds.

They are validation samples; training samples only where a card holds none out, and then the result
says so: a network is surer of them than of what it has not seen.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.multiview import DataSet, MultiView
from ddnn.decision import decide
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.training.patterns import Patterns, loss_patterns, lost_patterns
from ddnn.training.predict import Logits, classes_at
from ddnn.training.temperature import temperature

SLACK = 0.005
ROUNDING = 1e-9
TIE = 1e-5
"""Entropies closer than this may change places between torch and ONNX Runtime."""
EARLY_AT_MOST = 0.95
"""Without a goal, early exits may cost half a point against the last exit, and at least one
validation sample in twenty goes on: validation frames look like the training's, so that exits
are surer of them than of what comes later."""
SPREAD = 1.28
"""Standard errors by which what a threshold costs on validation samples is held to be worse: with
90 % certainty it is no worse."""
UNSEEN = 0.5
"""Samples on which, beside those seen, an early answer is held to be wrong where the last exit is
right. So with fewer than 100 samples, which cannot tell half a point, everything goes on."""


CalibrationSplit = Literal["validation", "train"]
SAMPLES: dict[CalibrationSplit, str] = {"validation": "validation data", "train": "training data"}
"""In words."""


class Goal(NamedTuple):
    """What thresholds are chosen for: at most one of the three, all as validation measures it.

    accuracy: 0 to 1, reached with as few bytes as possible.
    payload_bytes: per device and sample, kept with as much accuracy as possible.
    early_share: 0 to 1, of samples answered below the last exit, at least.
    None of them: as many samples as possible answered early, see `careful` and EARLY_AT_MOST.
    """

    accuracy: float | None = None
    payload_bytes: float | None = None
    early_share: float | None = None


class Point(NamedTuple):
    """What one common threshold costs and gives on validation data.

    accuracy: mean over all devices present and each one of them lost.
    early_share, payload_bytes: with all devices present.
    """

    threshold: float
    accuracy: float
    early_share: float
    payload_bytes: float


class Calibration(NamedTuple):
    """The rules, and what they cost and give on the split's samples. The last has no threshold."""

    rules: dict[str, ExitRule]
    point: Point
    split: CalibrationSplit

    def as_json(self) -> dict[str, Any]:
        """With keys by name; the point's is its split."""
        exits = {name: rule.model_dump(mode="json") for name, rule in self.rules.items()}
        return {"exits": exits, self.split: self.point._asdict()}


def calibrate(
    joint: Joint,
    samples: MultiView,
    goal: Goal,
    *,
    prior_class: int,
    split: CalibrationSplit = "validation",
) -> Calibration:
    """Temperatures, then one threshold for all exits but the last.

    prior_class: the commonest in training. split: what the samples are.
    Raises ConfigError for more than one goal, or one that no threshold reaches, naming the
    nearest.
    """
    patterns = loss_patterns(joint, samples, prior_class=prior_class)
    if joint.topology.skips_absent or goal != Goal():
        return calibrate_patterns(patterns, goal, split)
    return calibrate_patterns(
        patterns, goal, split, lost=lost_patterns(joint, samples, prior_class=prior_class)
    )


def calibrate_on(joint: Joint, data: DataSet, goal: Goal, *, prior_class: int) -> Calibration:
    """From the validation samples; from the training samples where a card holds none out."""
    split: CalibrationSplit = "validation" if len(data.split.validation) else "train"
    return calibrate(joint, data.part(split), goal, prior_class=prior_class, split=split)


def calibrate_patterns(
    patterns: Patterns,
    goal: Goal,
    split: CalibrationSplit = "validation",
    *,
    lost: Sequence[Patterns] = (),
) -> Calibration:
    """As `calibrate`, of what is computed once for several goals.

    lost: samples with 1, 2 and so on devices lost; none where a device says nothing of a black
    view, so that nobody knows who is lost.
    """
    labels_N = patterns.samples.fused_labels_N
    temperatures = {name: temperature(x_NK, labels_N) for name, x_NK in patterns.logits.items()}
    if goal != Goal():
        point = choose(curve(patterns, temperatures), goal, split)
        return Calibration(rules_for(patterns.logits, temperatures, point.threshold), point, split)
    whole = patterns.rows(slice(0, patterns.whole))
    threshold = careful(whole, temperatures)
    found = [careful(each, temperatures) for each in lost]
    rules = with_lost(rules_for(patterns.logits, temperatures, threshold), found)
    return Calibration(rules, point_of(patterns, rules, threshold), split)


def careful(patterns: Patterns, temperatures: Mapping[str, float]) -> float:
    """The highest common threshold up to which early exits cost, with some certainty, at most
    SLACK against the last exit, on these patterns of one number of lost devices. See SPREAD and
    UNSEEN: each sample counts once for each set of devices.

    Samples are few: of the thresholds that cost nothing on them the highest is one that the next
    samples show to cost something. So what is not seen counts, and a threshold counts only if
    all below it do.
    """
    exits = list(patterns.logits)
    at_exits = classes_at(patterns.logits, patterns.present_NV, patterns.prior_class)
    right_N = (at_exits[exits[-1]] == patterns.samples.fused_labels_N).astype(float)
    chosen = 0.0
    for threshold in candidates(patterns.logits, temperatures):
        verdicts = patterns.answer(rules_for(patterns.logits, temperatures, threshold))
        early = float(((verdicts.exit_N >= 0) & (verdicts.exit_N < len(exits) - 1)).mean())
        gain_N = verdicts.correct_N - right_N
        error = float(gain_N.std()) / math.sqrt(len(gain_N))
        sure = float(gain_N.mean()) - SPREAD * error - UNSEEN / len(gain_N)
        if threshold and (sure < -SLACK - ROUNDING or early > EARLY_AT_MOST):
            break
        chosen = threshold
    return chosen


def too_few(samples: int, *, exits: int) -> list[str]:
    """A line where so many validation samples cannot tell what early exits cost."""
    wanted = math.ceil(UNSEEN / SLACK)
    if samples >= wanted or exits < 2:
        return []
    return [
        f"only {samples} validation samples, want {wanted} to tell half a point: while all devices "
        "are there, every sample goes on to the last exit (see ddnn calibrate --early-share)"
    ]


def with_lost(rules: dict[str, ExitRule], thresholds: Sequence[float]) -> dict[str, ExitRule]:
    """The same with these thresholds of all exits but the last where 1, 2 and so on views have no
    part."""
    return {
        name: rule
        if rule.threshold is None
        else rule.model_copy(update={"threshold_lost": tuple(thresholds)})
        for name, rule in rules.items()
    }


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


def curve(patterns: Patterns, temperatures: Mapping[str, float]) -> list[Point]:
    """From threshold 0 (nothing exits early) to 1 (everything), at most 200 in between."""
    logits = patterns.logits
    return [
        point_of(patterns, rules_for(logits, temperatures, threshold), threshold)
        for threshold in candidates(logits, temperatures)
    ]


def candidates(logits: Logits, temperatures: Mapping[str, float]) -> list[float]:
    """Common thresholds between the entropies that occur, from 0 to 1."""
    names = list(logits)[:-1]
    entropies = [decide(logits[name], temperatures[name]).entropy_N for name in names]
    return [0.0, *between(np.concatenate(entropies)), 1.0] if names else [1.0]


def point_of(patterns: Patterns, rules: Mapping[str, ExitRule], threshold: float) -> Point:
    """What these rules, with this threshold where all devices are present, cost and give."""
    verdicts = patterns.answer(rules)
    exit_N = verdicts.exit_N[: patterns.whole]
    local_N = exit_N == (0 if "local" in patterns.logits else None)
    return Point(
        threshold,
        float(verdicts.correct_N.mean()),
        float(((exit_N >= 0) & (exit_N < len(patterns.logits) - 1)).mean()),
        patterns.payload.mean(np.asarray(local_N)),
    )


def between(entropies_N: NDArray[np.float32], most: int = 200) -> list[float]:
    """Thresholds in the widest gaps between the entropies that occur, at most so many.

    A threshold that ties with samples (all black views have one entropy) would have them leave at
    another exit wherever the last digit differs.
    """
    found = np.unique(np.append(entropies_N, (0.0, 1.0)).astype(np.float64))
    gaps = np.diff(found)
    groups = np.array_split(np.arange(len(gaps)), min(most, len(gaps)))
    widest = [group[gaps[group].argmax()] for group in groups]
    return [float(found[n] + gaps[n] / 2) for n in widest if gaps[n] > TIE]


def choose(points: list[Point], goal: Goal, split: CalibrationSplit = "validation") -> Point:
    """The point that serves the goal best. See Goal for what each asks."""
    if sum(value is not None for value in goal) > 1:
        raise ConfigError("calibrate: want one of accuracy, payload bytes or early share")
    if goal.payload_bytes is not None:
        cheap = [point for point in points if point.payload_bytes <= goal.payload_bytes]
        least = min(point.payload_bytes for point in points)
        _check(cheap, f"{goal.payload_bytes:g} bytes", split, f"least is {least:.1f}")
        return max(cheap, key=lambda point: (point.accuracy, -point.threshold))
    if goal.early_share is not None:
        early = [point for point in points if point.early_share >= goal.early_share]
        most = max(point.early_share for point in points)
        _check(early, f"an early share of {goal.early_share:g}", split, f"most is {most:.4f}")
        return min(early, key=lambda point: point.threshold)
    if goal.accuracy is not None:
        good = [point for point in points if point.accuracy >= goal.accuracy]
        best = max(point.accuracy for point in points)
        _check(good, f"an accuracy of {goal.accuracy:g}", split, f"best is {best:.4f}")
        return max(good, key=lambda point: point.threshold)
    allowed = [point for point in points if point.early_share <= EARLY_AT_MOST]
    best = max(point.accuracy for point in allowed)
    sound = [point for point in allowed if point.accuracy >= best - SLACK]
    return max(sound, key=lambda point: point.threshold)


def _check(points: list[Point], wanted: str, split: CalibrationSplit, nearest: str) -> None:
    if not points:
        where = SAMPLES[split]
        raise ConfigError(f"calibrate: no threshold gives {wanted} on {where}, {nearest}")
