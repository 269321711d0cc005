"""Accuracy under every set of lost devices, offline: 2^V - 1 subsets, at each exit and overall.

A lost device is masked, as the runtime's gather does when its deadline passes. What a device
makes of its view does not depend on the others, so each view is seen once for all subsets.
Axes: N samples, V views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.bundle.manifest import ExitRule
from ddnn.data.checks import check_fits, part_of
from ddnn.data.multiview import DataSet, MultiView
from ddnn.errors import ConfigError
from ddnn.model.joint import Joint
from ddnn.model.sections import SectionOutput
from ddnn.report.files import write_csv, write_json
from ddnn.report.verdicts import wilson_interval
from ddnn.topology import Topology
from ddnn.training.epoch import accuracies
from ddnn.training.predict import answer, fuse, perceive, taking_part
from ddnn.training.run import Run

FOLDER, REPORT, SUBSETS = "failures", "report.json", "subsets.csv"
MAX_VIEWS = 16
"""65,535 subsets; beyond, sample them with a failure plan."""
OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetAccuracy:
    """What is left when `lost` devices are gone for good.

    accuracy: by exit name, that exit answering every sample; `overall` by the run's rules.
    correct_N: of each sample, whether the run's rules are right; empty where it was not kept.
    """

    lost: tuple[str, ...]
    accuracy: dict[str, float]
    local_share: float
    correct_N: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Accuracies over all subsets of one size, at one exit or overall."""

    mean: float
    worst: float
    worst_lost: tuple[str, ...]


Find = Callable[[Run, DataSet, MultiView], list[SubsetAccuracy]]
"""Of a run on samples of a data set, all subsets in the order of `subsets`."""


def failures_run(
    run: Run,
    *,
    card: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    folder: Path | None = None,
    find: Find | None = None,
) -> dict[str, Any]:
    """Writes report.json and subsets.csv, by default into RUN/failures.

    The report's `accuracy` and `exits` are with all devices; `lost` is by number of lost ones.
    find: measures every subset somewhere else, such as on a cluster.

    Raises ConfigError for more than 16 views.
    """
    folder = folder or run.folder / FOLDER
    data = run.load_data(card, view_map)
    samples = part_of(data, split, card=card or run.config.card)
    found = (find or _here)(run, data, samples)
    whole = found[0].accuracy
    document = {
        "samples": len(samples),
        "accuracy": whole[OVERALL],
        "accuracy_interval": wilson_interval(round(whole[OVERALL] * len(samples)), len(samples)),
        "exits": {name: {"all_samples_accuracy": whole[name]} for name in run.topology.exits},
        "subsets": len(found),
        "lost": {
            count: {name: _loss_json(loss) for name, loss in losses.items()}
            for count, losses in by_count(found).items()
        },
        "data": {"name": data.name, "digest": data.digest, "split": split},
        "topology": run.topology.name,
        "calibrated_on": run.calibrated_on,
        "bundle_sha256": run.bundle_sha256,
        "seed": run.config.seed,
        "versions": run.config.versions,
    }
    write_json(folder / REPORT, document)
    names = list(found[0].accuracy)
    write_csv(
        folder / SUBSETS,
        ["lost", "count", *names, "local_share", "samples"],
        (
            (
                "+".join(subset.lost),
                len(subset.lost),
                *(f"{subset.accuracy[name]:.6f}" for name in names),
                f"{subset.local_share:.6f}",
                len(samples),
            )
            for subset in found
        ),
    )
    return document


def every_failure(
    joint: Joint,
    samples: MultiView,
    rules: Mapping[str, ExitRule],
    *,
    prior_class: int,
    weights_N: NDArray[np.float64] | None = None,
) -> list[SubsetAccuracy]:
    """For each subset of the devices that leaves at least one, fewest lost first.

    weights_N: how much each sample counts in accuracies; None: all alike.

    Raises ConfigError for more than 16 views.
    """
    check_fits(joint.topology, samples)
    devices = perceive(joint, samples)
    return [
        failure(
            joint,
            devices,
            samples,
            rules,
            lost=lost,
            prior_class=prior_class,
            weights_N=weights_N,
        )
        for lost in subsets(joint.topology)
    ]


def failure(
    joint: Joint,
    devices: Mapping[str, SectionOutput],
    samples: MultiView,
    rules: Mapping[str, ExitRule],
    *,
    lost: tuple[str, ...],
    prior_class: int,
    weights_N: NDArray[np.float64] | None = None,
) -> SubsetAccuracy:
    """For one set of lost devices; `devices` comes from `perceive`. weights_N: see
    `every_failure`."""
    here_NV = present_without(joint.topology, lost, len(samples))
    present_NV = taking_part(joint.topology, samples, here_NV)
    logits = fuse(joint, devices, present_NV)
    verdicts = answer(
        logits, rules, samples=samples, present_NV=present_NV, prior_class=prior_class
    )
    local_N = verdicts.exit_N == (verdicts.exits.index("local") if "local" in logits else -2)
    return SubsetAccuracy(
        lost=lost,
        accuracy=accuracies(logits, samples, present_NV, prior_class, weights_N=weights_N)
        | {OVERALL: float(np.average(verdicts.correct_N, weights=weights_N))},
        local_share=float(local_N.mean()),
        correct_N=verdicts.correct_N,
    )


def subsets(topology: Topology) -> list[tuple[str, ...]]:
    """Every set of lost devices but all of them, fewest first; the first is empty.

    Raises ConfigError for more than 16 views.
    """
    if topology.views > MAX_VIEWS:
        raise ConfigError(f"failures: {topology.views} devices, want at most {MAX_VIEWS}")
    return [
        lost for count in range(topology.views) for lost in combinations(topology.devices, count)
    ]


def by_count(found: list[SubsetAccuracy]) -> dict[int, dict[str, Loss]]:
    """Mean and worst accuracy over the subsets of each size: by number lost, then exit."""
    result: dict[int, dict[str, Loss]] = {}
    for count in sorted({len(subset.lost) for subset in found}):
        same = [subset for subset in found if len(subset.lost) == count]
        result[count] = {}
        for name in same[0].accuracy:
            values = [subset.accuracy[name] for subset in same]
            low = int(np.argmin(values))
            result[count][name] = Loss(
                mean=float(np.mean(values)), worst=values[low], worst_lost=same[low].lost
            )
    return result


def present_without(topology: Topology, lost: tuple[str, ...], count: int) -> NDArray[np.bool_]:
    """(N, V) for `count` samples: False for the lost devices."""
    here_V = np.array([name not in lost for name in topology.devices])
    return np.tile(here_V, (count, 1))


def _here(run: Run, _: DataSet, samples: MultiView) -> list[SubsetAccuracy]:
    return every_failure(run.joint, samples, run.rules, prior_class=run.prior_class)


def _loss_json(loss: Loss) -> dict[str, Any]:
    return {"mean": loss.mean, "worst": loss.worst, "worst_lost": list(loss.worst_lost)}
