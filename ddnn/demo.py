"""The demonstration: render, train, launch, lose a device, report. One function a step.

Axes: N samples, V views, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ddnn.bundle.load import load_bundle
from ddnn.data.contactsheet import check_replaceable, chosen_samples, write_contact_sheet
from ddnn.data.loading import load
from ddnn.data.multiview import MultiView
from ddnn.errors import DdnnError, LaunchError
from ddnn.report.plots import plot_losses, plot_thresholds
from ddnn.report.verdicts import wilson_interval
from ddnn.run.failures.plan import plan_of
from ddnn.run.launcher.launch import Options, Watcher, launch
from ddnn.run.outcome import Outcome, write_outcome
from ddnn.runfolder import check_free
from ddnn.topology import read_topology
from ddnn.training import evaluate, failures
from ddnn.training.epoch import OnEpoch
from ddnn.training.predict import perceive
from ddnn.training.run import Run, train_run
from ddnn.training.settings import Settings

TOPOLOGY, CARD = "six-cameras", "rendered"
PAPER = {
    "before": 0.99,  # figure 8, six devices, overall at T = 0.8, 16 filters
    "after": 0.96,  # figure 10, x = 5: without the best camera, retrained; 16 filters
    "payload_bytes": 62,  # table II, T = 0.8, 4 filters
    "local_share": 0.6082,  # table II, T = 0.8
}
SHEET_ROWS = 12

Say = Callable[[str], None]


def run_demo(
    out: Path,
    settings: Settings,
    *,
    seed: int = 0,
    card: str | Path = CARD,
    say: Say = lambda _line: None,
    on_epoch: OnEpoch = lambda _epoch: None,
) -> dict[str, Any]:
    """Does everything once and returns what `demo.json` holds. `out` becomes a run folder."""
    check_free(out, overwrite=True)
    sheet = out / "contact-sheet.png"
    check_replaceable(sheet)  # before the work is done
    say("1/5  rendering what six cameras see")
    data = load(card)
    say("2/5  training six devices, the local exit and the cloud as one network")
    run = train_run(
        out,
        read_topology(TOPOLOGY),
        card,
        settings,
        seed=seed,
        overwrite=True,
        data=data,
        on_epoch=on_epoch,
    )
    write_contact_sheet(data, chosen_samples(data, SHEET_ROWS), sheet)
    say("3/5  evaluating, also under every set of lost devices")
    offline = evaluate.evaluate_run(run)
    failures.failures_run(run)
    best = best_device(run, data.part("validation"))
    say(f"4/5  launching eight processes; half-way {best}, the best camera's device, is killed")
    outcome = launch_and_lose(out, data.part("test"), best, say)
    write_outcome(out / "launch", outcome)
    say("5/5  plotting")
    plots = plot(run, offline)
    return {
        "device_lost": best,
        "paper": PAPER,
        **before_and_after(outcome),
        "offline_accuracy": offline["accuracy"],
        "local_share": offline["exits"]["local"]["share"],
        "payload_bytes": offline["bytes"]["per_device_sample"]["payload"],
        "raw_bytes": run.topology.view_bytes,
        "files": [str(path) for path in (out / "launch" / "report.json", sheet, *plots)],
        "launch": outcome.report,
    }


def best_device(run: Run, samples: MultiView) -> str:
    """The device whose own exit is right most often; views without the object count as wrong."""
    outputs = perceive(run.joint, samples)
    right = {}
    for view, name in enumerate(run.topology.devices):
        scores_NK = outputs[name].scores
        assert scores_NK is not None
        right[name] = int(
            (scores_NK.argmax(dim=1).cpu().numpy() == samples.labels_NV[:, view]).sum()
        )
    return max(right, key=lambda name: right[name])


def launch_and_lose(out: Path, samples: MultiView, device: str, say: Say) -> Outcome:
    """Runs the samples twice in one launch; the device is killed before the second time.

    Raises LaunchError that says how to go on.
    """
    bundle, kill = load_bundle(out), f"{device}@{len(samples)}"
    plan = plan_of(bundle.topology, kills=[kill])
    options = Options(plan=plan, rounds=2, free_ports=True)
    try:
        return launch(bundle, samples, options, Watcher(say=say))
    except DdnnError as error:
        again = f"ddnn launch {out} --rounds 2 --kill {kill}"
        raise LaunchError(f"{error}; {out} is trained, go on with: {again}") from error


def before_and_after(outcome: Outcome) -> dict[str, Any]:
    """Accuracy of the first and of the second time, which are the same samples."""
    halves = np.split(outcome.verdicts.correct_N, 2)
    counts = [(int(half_N.sum()), len(half_N)) for half_N in halves]
    return {
        "samples": len(halves[0]),
        "before": counts[0][0] / counts[0][1],
        "before_interval": wilson_interval(*counts[0]),
        "after": counts[1][0] / counts[1][1],
        "after_interval": wilson_interval(*counts[1]),
    }


def plot(run: Run, offline: dict[str, Any]) -> list[Path]:
    """Both plots, from the CSV files of the run."""
    thresholds, losses = run.folder / "thresholds.png", run.folder / "devices-lost.png"
    plot_thresholds(
        run.folder / evaluate.THRESHOLDS,
        thresholds,
        chosen=offline["exits"]["local"]["threshold"],
        raw_bytes=run.topology.view_bytes,
    )
    plot_losses(
        run.folder / failures.FOLDER / failures.SUBSETS, losses, exits=tuple(run.topology.exits)
    )
    return [thresholds, losses]
