"""A trained topology in virtual time. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ddnn.api.online import HasFolder, at_samples, folder_of
from ddnn.api.results import SimulationResult
from ddnn.api.samples import samples_of
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.run.failures.plan import FailurePlan, plan_for
from ddnn.simulation.network import Conditions
from ddnn.simulation.profile import Profile, measured, read_profile
from ddnn.simulation.report import outcome_of
from ddnn.simulation.scaled import ScaledLaboratory
from ddnn.simulation.schedule import Schedule, check_troubles, read_schedule
from ddnn.simulation.simulation import Laboratory
from ddnn.simulation.study import run_seed
from ddnn.topology import Topology
from ddnn.yamlfile import check_values

SAMPLES = 10_000
MEASURED = "measured"
"""In place of a profile's file: times are taken here."""


def simulate(
    run: HasFolder | str | Path,
    *,
    data: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    samples: int = SAMPLES,
    window: int | None = None,
    plan: str | Path | None = None,
    kill: Mapping[str, int] | None = None,
    recover: Mapping[str, int] | None = None,
    storm_per_s: float = 0.0,
    seed: int = 0,
    devices: int | None = None,
    profile: str | Path | None = None,
    wire: bool = False,
    **conditions: float,
) -> SimulationResult:
    """Runs a run's nodes in virtual time, as `ddnn.launch` would, and checks its promises.

    data, split, view_map, window, plan, kill, recover: as in `ddnn.launch`. samples: as many;
    recorded ones come again and again. storm_per_s: random failures a second of virtual time.
    devices: grow the topology to as many. profile: a file of times, or `measured`. wire: parse
    every message and run every section. conditions of every link: `latency_ms`, `jitter_ms`,
    `loss` and `reorder` (shares of 1), `bandwidth_kbps`.
    The same seed gives the same result; nothing is written. A promise that does not hold is in
    `broken`, with the schedule that shows it.
    Raises ConfigError for options, a plan or a profile that do not fit.
    """
    options: dict[str, Any] = {
        "data": data, "split": split, "view_map": view_map, "samples": samples, "window": window,
        "plan": plan, "kill": kill, "recover": recover, "storm_per_s": storm_per_s,
        "devices": devices, "profile": profile, "wire": wire, "conditions": conditions,
    }  # fmt: skip
    return next(simulations(run, seeds=(seed,), **options))


def simulations(
    run: HasFolder | str | Path,
    *,
    seeds: Iterable[int],
    data: str | Path | None = None,
    split: str = "test",
    view_map: Mapping[str, str] | None = None,
    samples: int = SAMPLES,
    window: int | None = None,
    plan: str | Path | None = None,
    kill: Mapping[str, int] | None = None,
    recover: Mapping[str, int] | None = None,
    storm_per_s: float = 0.0,
    devices: int | None = None,
    schedule: str | Path | None = None,
    profile: str | Path | None = None,
    wire: bool = False,
    conditions: Mapping[str, float] | None = None,
) -> Iterator[SimulationResult]:
    """As `simulate`, one after the other; each section of the network is run once for all.

    schedule: a file that a simulation has written, in place of seeds, samples and conditions.
    Whatever does not fit is refused before the first result.
    """
    bundle = load_bundle(folder_of(run))
    part = samples_of(bundle, None if data is None else str(data), split, view_map)
    if schedule is None:
        given = check_values(dict(conditions or {}), Conditions, source="simulate")
        schedules = [
            Schedule(
                topology=bundle.topology.name,
                seed=seed,
                samples=samples,
                window=window,
                devices=devices,
                shifted_clocks=storm_per_s > 0,
                conditions=given,
                profile=_profile(profile, bundle),
            )
            for seed in seeds
        ]
    else:
        schedules = [read_schedule(str(schedule), bundle.topology)]

    def plan_of(topology: Topology) -> FailurePlan:
        return plan_for(
            topology,
            schedules[0].samples,
            name=None if plan is None else str(plan),
            kills=at_samples(kill),
            recovers=at_samples(recover),
        )

    return _run(
        bundle,
        part,
        schedules,
        plan_of,
        storm_per_s=storm_per_s,
        wire=wire,
        source=str(schedule),
    )


def _run(
    bundle: Bundle,
    samples: MultiView,
    schedules: Sequence[Schedule],
    plan_of: Callable[[Topology], FailurePlan],
    *,
    storm_per_s: float,
    wire: bool,
    source: str,
) -> Iterator[SimulationResult]:
    laboratory = _laboratory(bundle, samples, schedules[0], wire=wire)
    plan = plan_of(laboratory.bundle.topology)
    for schedule in schedules:
        check_troubles(schedule, laboratory.bundle.topology, source=source)
    for schedule in schedules:
        ran = run_seed(laboratory, schedule, plan=plan, storm_per_s=storm_per_s)
        outcome = outcome_of(ran.result, laboratory, schedule, samples.fused_labels_N)
        yield SimulationResult(report=outcome.report, verdicts=outcome.verdicts, ran=ran)


def _laboratory(
    bundle: Bundle, samples: MultiView, schedule: Schedule, *, wire: bool
) -> Laboratory:
    """Raises ConfigError for options that do not go together."""
    if schedule.devices is None:
        return Laboratory(bundle, samples.views, schedule.profile, wire=wire)
    if wire:
        raise ConfigError("wire: with devices there is nothing to parse, want one of them")
    return ScaledLaboratory(bundle, samples.views, schedule.profile, devices=schedule.devices)


def _profile(name: str | Path | None, bundle: Bundle) -> Profile:
    if name is None:
        return Profile()
    return measured(bundle) if str(name) == MEASURED else read_profile(str(name))
