"""The report of a simulation, with the names of a launch's.

Axes: N recorded samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.report.tally import Tally
from ddnn.run.launcher.history import History
from ddnn.run.launcher.start import Watcher
from ddnn.run.outcome import Kept, NodeState, Outcome, build_report
from ddnn.simulation.schedule import Schedule
from ddnn.simulation.simulation import Laboratory, Result


def outcome_of(
    result: Result, laboratory: Laboratory, schedule: Schedule, labels_N: NDArray[np.int64]
) -> Outcome:
    """As a launch gives it. Bytes are those of the last run. The same for the same schedule."""
    bundle, topology = laboratory.bundle, laboratory.bundle.topology
    tally, kept, history = (
        Tally(tuple(topology.exits), topology.classes),
        Kept(),
        History(Watcher()),
    )
    kept.begin(topology)
    labels = labels_N.tolist()
    for answer, sample in zip(result.answers, result.samples_N, strict=True):
        label = labels[sample % len(labels)]
        tally.add(answer, label)
        kept.add(answer, label)
    for entry in result.failures:
        history.add(entry, tell=False)
    report = build_report(
        result.collector,
        bundle,
        tally,
        states={name: NodeState(state=state) for name, state in result.states.items()},
        history=history,
        duration_s=result.virtual_s,
        ready_s=result.begun_s,
    )
    report |= {"command": "simulate", "simulation": _simulation(result, schedule)}
    kept.close(report, ())
    return kept.outcome


def _simulation(result: Result, schedule: Schedule) -> dict[str, Any]:
    return {
        "seed": schedule.seed,
        "virtual_s": result.virtual_s,
        "events": result.events,
        "runs": result.runs,
        "troubles": len(result.troubles),
        "checked": result.checked,
        "ties": result.ties,
        "broken": None if result.broken is None else str(result.broken),
    }
