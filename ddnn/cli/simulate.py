"""`ddnn simulate RUN`: the nodes of a launch in virtual time, with promises checked all along."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from ddnn.api.samples import samples_of
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.cli.options import (
    FiniteRange,
    data_options,
    json_option,
    plan_option,
    report_folder,
    run_argument,
)
from ddnn.data.views import Views
from ddnn.errors import ConfigError, DdnnError
from ddnn.report.files import write_csv
from ddnn.report.tables import print_launch
from ddnn.run.failures.plan import FailurePlan, plan_for
from ddnn.run.outcome import write_outcome
from ddnn.simulation.network import Conditions
from ddnn.simulation.profile import Profile, measured, read_profile
from ddnn.simulation.report import outcome_of
from ddnn.simulation.scaled import ScaledLaboratory
from ddnn.simulation.schedule import Schedule, check_troubles, read_schedule
from ddnn.simulation.simulation import Laboratory
from ddnn.simulation.study import Ran, run_seed, write_schedule

FOLDER = "simulate"
SAMPLES = 10_000
MOST_LINES = 40
"""Failures that are printed; more are in the report alone."""


class Seeds(click.ParamType[range]):
    """`7`, or `1-20`."""

    name = "A-B"

    def convert(self, value: Any, param: Any, ctx: Any) -> range:
        if isinstance(value, range):
            return value
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", value)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            self.fail(f"{value!r}, want a seed or two, for example 1-20", param, ctx)
        return range(int(match[1]), int(match[2] or match[1]) + 1)


@click.command(name="simulate")
@run_argument
@data_options
@click.option(
    "--samples",
    type=click.IntRange(1, 10**8),
    default=SAMPLES,
    show_default=True,
    help="As many; recorded ones come again and again.",
)
@click.option("--window", type=click.IntRange(1, 256), help="Samples in flight at most.")
@plan_option
@click.option(
    "--storm",
    "storm_per_s",
    type=FiniteRange(0, 10_000),
    default=0,
    metavar="RATE",
    help="Random failures a second of virtual time, of every kind.",
)
@click.option("--seeds", type=Seeds(), default="0", show_default=True, help="One run each.")
@click.option(
    "--devices",
    type=click.IntRange(1, 2000),
    help="Grow to as many, with an edge for each ten, and made-up sections above.",
)
@click.option("--schedule", "schedule_file", metavar="FILE", help="Replay what a run has written.")
@click.option("--latency", "latency_ms", type=FiniteRange(0, 60_000), default=0, metavar="MS")
@click.option("--jitter", "jitter_ms", type=FiniteRange(0, 60_000), default=0, metavar="MS")
@click.option("--loss", type=FiniteRange(0, 0.99), default=0, metavar="SHARE")
@click.option("--reorder", type=FiniteRange(0, 0.99), default=0, metavar="SHARE")
@click.option("--bandwidth", "bandwidth_kbps", type=FiniteRange(min=0.001), metavar="KBPS")
@click.option("--profile", "profile_name", metavar="FILE", help="Times, or `measured`: take them.")
@click.option("--wire", is_flag=True, help="Parse every message, run every section.")
@click.option("--out", type=click.Path(path_type=Path), help="Report folder [RUN/simulate].")
@json_option
def command(
    run: Path,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    samples: int,
    window: int | None,
    plan_name: str | None,
    storm_per_s: float,
    seeds: range,
    devices: int | None,
    schedule_file: str | None,
    profile_name: str | None,
    wire: bool,
    out: Path | None,
    as_json: bool,
    **conditions: Any,
) -> None:
    """Run RUN's nodes in virtual time, report what a launch would, check its promises.

    The same seed gives the same report. A promise that does not hold is named with the shortest
    list of failures that breaks it.
    """
    folder = report_folder(run / FOLDER, out)
    bundle = load_bundle(run)
    part = samples_of(bundle, card, split, view_map)
    if schedule_file is None:
        schedules = [
            Schedule(
                topology=bundle.topology.name,
                seed=seed,
                samples=samples,
                window=window,
                devices=devices,
                shifted_clocks=storm_per_s > 0,
                conditions=Conditions(**conditions),
                profile=_profile(profile_name, bundle),
            )
            for seed in seeds
        ]
    else:
        schedules = [read_schedule(schedule_file, bundle.topology)]
    laboratory = _laboratory(bundle, part.views, schedules[0], wire=wire)
    topology = laboratory.bundle.topology
    plan = plan_for(topology, schedules[0].samples, name=plan_name)
    for schedule in schedules:
        check_troubles(schedule, topology, source=str(schedule_file))
    rows = []
    for schedule in schedules:
        ran = run_seed(laboratory, schedule, plan=plan, storm_per_s=storm_per_s)
        rows.append(ran.row())
        outcome = outcome_of(ran.result, laboratory, schedule, part.fused_labels_N)
        place = folder if len(schedules) == 1 else folder / f"seed-{schedule.seed}"
        write_outcome(place, outcome)
        _tell(ran, outcome.report, place, as_json=as_json, plan=plan)
    write_csv(folder / "seeds.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])
    broken = [row for row in rows if row["broken"]]
    if broken:
        raise DdnnError(f"{len(broken)} of {len(rows)} seeds broke a promise")


def _laboratory(bundle: Bundle, views: Views, schedule: Schedule, *, wire: bool) -> Laboratory:
    """Raises ConfigError for options that do not go together."""
    if schedule.devices is None:
        return Laboratory(bundle, views, schedule.profile, wire=wire)
    if wire:
        raise ConfigError("--wire: with --devices there is nothing to parse, want one of them")
    return ScaledLaboratory(bundle, views, schedule.profile, devices=schedule.devices)


def _profile(name: str | None, bundle: Bundle) -> Profile:
    if name is None:
        return Profile()
    return measured(bundle) if name == "measured" else read_profile(name)


def _tell(
    ran: Ran, report: dict[str, Any], folder: Path, *, as_json: bool, plan: FailurePlan
) -> None:
    """The report; what broke, and how to see it again, on standard error."""
    path = write_schedule(folder, ran)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        many = len(report["failures"]) > MOST_LINES
        print_launch(report | {"failures": []} if many else report)
        click.echo(_speed_line(ran))
        click.echo(f"report: {folder / 'report.json'}")
    if path is not None and ran.schedule is not None:
        click.echo(f"seed {ran.seed}: broken promise: {ran.broken}", err=True)
        for trouble in ran.schedule.troubles:
            click.echo(f"  {trouble.text}", err=True)
        again = f"--schedule {path}" + (f" --plan {plan.name}" if plan.failures else "")
        click.echo(f"  again: ddnn simulate RUN {again}", err=True)


def _speed_line(ran: Ran) -> str:
    result, seconds = ran.result, max(ran.seconds, 1e-9)
    return (
        f"seed {ran.seed}: {result.virtual_s:.3f} s of virtual time in {seconds:.1f} s, "
        f"{len(result.answers) / seconds:.0f} samples and {result.events / seconds:.0f} events a "
        f"second, {len(result.troubles)} failures, {result.runs} runs"
    )
