"""A trained topology in virtual time. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

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


class Options(TypedDict, total=False):
    """What `simulate` takes beside the run and its seed."""

    data: str | Path | None
    split: str
    view_map: Mapping[str, str] | None
    samples: int
    window: int | None
    plan: str | Path | None
    kill: Mapping[str, int] | None
    recover: Mapping[str, int] | None
    storm_per_s: float
    devices: int | None
    profile: str | Path | None
    wire: bool
    latency_ms: float
    jitter_ms: float
    loss: float
    reorder: float
    bandwidth_kbps: float | None


_NO_CONDITIONS = Options.__annotations__.keys() - Conditions.model_fields.keys()


def simulate(
    run: HasFolder | str | Path, *, seed: int = 0, **options: Unpack[Options]
) -> SimulationResult:
    """Runs a run's nodes in virtual time, as `ddnn.launch` would, and checks its promises.

    Options, none of which has to be given:
    data, split, view_map, window, plan, kill, recover: as in `ddnn.launch`. samples: as many,
    10,000 by default; recorded ones come again and again. storm_per_s: random failures a second of
    virtual time. devices: grow the topology to as many. profile: a file of times, or `measured`.
    wire: parse every message and run every section. Conditions of every link: `latency_ms`,
    `jitter_ms`, `loss` and `reorder` (shares of 1), `bandwidth_kbps`.
    The same seed gives the same result; nothing is written. A promise that does not hold is in
    `broken`, with the schedule that shows it.
    Raises ConfigError for options, a plan or a profile that do not fit.
    """
    return next(simulations(run, seeds=(seed,), **options))


def simulations(
    run: HasFolder | str | Path,
    *,
    seeds: Iterable[int],
    schedule: str | Path | None = None,
    **options: Unpack[Options],
) -> Iterator[SimulationResult]:
    """As `simulate`, one after the other; each section of the network is run once for all.

    schedule: a file that a simulation has written, in place of seeds, samples and conditions.
    Whatever does not fit is refused before the first result.
    """
    bundle = load_bundle(folder_of(run))
    data = options.get("data")
    part = samples_of(
        bundle, None if data is None else str(data), options.get("split", "test"),
        options.get("view_map"),
    )  # fmt: skip
    if schedule is None:
        schedules = _schedules(bundle, seeds, options)
    else:
        schedules = [read_schedule(str(schedule), bundle.topology)]
    return _run(bundle, part, schedules, options, source=str(schedule))


def _schedules(bundle: Bundle, seeds: Iterable[int], options: Options) -> list[Schedule]:
    """One a seed. Raises ConfigError for conditions that do not exist or fit."""
    given = {key: value for key, value in options.items() if key not in _NO_CONDITIONS}
    conditions = check_values(given, Conditions, source="simulate")
    return [
        Schedule(
            topology=bundle.topology.name,
            seed=seed,
            samples=options.get("samples", SAMPLES),
            window=options.get("window"),
            devices=options.get("devices"),
            shifted_clocks=options.get("storm_per_s", 0) > 0,
            conditions=conditions,
            profile=_profile(options.get("profile"), bundle),
        )
        for seed in seeds
    ]


def _plan(topology: Topology, samples: int, options: Options) -> FailurePlan:
    name = options.get("plan")
    return plan_for(
        topology,
        samples,
        name=None if name is None else str(name),
        kills=at_samples(options.get("kill")),
        recovers=at_samples(options.get("recover")),
    )


def _run(
    bundle: Bundle,
    samples: MultiView,
    schedules: Sequence[Schedule],
    options: Options,
    *,
    source: str,
) -> Iterator[SimulationResult]:
    wire = options.get("wire", False)
    laboratory = _laboratory(bundle, samples, schedules[0], wire=wire)
    plan = _plan(laboratory.bundle.topology, schedules[0].samples, options)
    storm_per_s = options.get("storm_per_s", 0.0)
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
