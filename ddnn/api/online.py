"""A trained topology as real processes. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ddnn.api.results import LaunchResult
from ddnn.api.samples import samples_of
from ddnn.bundle.load import load_bundle
from ddnn.run.failures.plan import plan_for
from ddnn.run.launcher.launch import launch as launch_processes
from ddnn.run.launcher.start import READY_S, Options, Watcher


class HasFolder(Protocol):
    """A run that was opened."""

    @property
    def folder(self) -> Path:
        """Where it is."""


def launch(
    run: HasFolder | str | Path,
    *,
    data: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    samples: int | None = None,
    rounds: int = 1,
    window: int | None = None,
    plan: str | Path | None = None,
    kill: Mapping[str, int] | None = None,
    recover: Mapping[str, int] | None = None,
    free_ports: bool = True,
    ready_s: float = READY_S,
    progress: Callable[[int], None] = lambda _answered: None,
    say: Callable[[str], None] = lambda _line: None,
) -> LaunchResult:
    """Starts a run's topology as processes on this machine, runs samples, ends them, reports.

    data, split, view_map: as in `ddnn.evaluate`. samples: only the first so many. rounds: how
    often. window: samples in flight at most. plan: a failure plan, a file or a shipped name.
    kill, recover: by node, the sample before which it is killed or started again. free_ports:
    listen at ports that the system chooses instead of the topology's. ready_s: seconds that all
    nodes get to start. progress: told how many samples are answered. say: told what happens.
    Nothing is written; `report` and `verdicts` of what comes back hold all.
    Raises LaunchError naming a node that does not start, ConfigError for a plan that does not
    fit, TransportError for a port in use.
    """
    bundle = load_bundle(folder_of(run))
    whole = samples_of(bundle, None if data is None else str(data), split, view_map)
    part = whole if samples is None else whole.take(np.arange(min(samples, len(whole))))
    options = Options(
        rounds=rounds,
        window=window,
        free_ports=free_ports,
        ready_s=ready_s,
        data=whole.digest,
    )
    chosen = plan_for(
        bundle.topology,
        len(part) * rounds,
        name=None if plan is None else str(plan),
        kills=at_samples(kill),
        recovers=at_samples(recover),
    )
    watcher = Watcher(progress=progress, say=say)
    found = launch_processes(bundle, part, replace(options, plan=chosen), watcher)
    return LaunchResult(report=found.report, verdicts=found.verdicts)


def folder_of(run: HasFolder | str | Path) -> Path:
    """Of a run, opened or not."""
    return Path(run) if isinstance(run, str | Path) else run.folder


def at_samples(moments: Mapping[str, int] | None) -> list[str]:
    """NODE@SAMPLE, as a failure plan takes them."""
    return [f"{node}@{sample}" for node, sample in (moments or {}).items()]
