"""`ddnn simulate RUN`: the nodes of a launch in virtual time, with promises checked all along."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from ddnn.api.results import SimulationResult
from ddnn.api.virtual import SAMPLES, simulations
from ddnn.cli.options import (
    FiniteRange,
    data_options,
    json_option,
    plan_option,
    report_folder,
    run_argument,
)
from ddnn.errors import DdnnError
from ddnn.report.files import write_csv
from ddnn.report.tables import print_launch
from ddnn.run.outcome import Outcome, write_outcome
from ddnn.simulation.study import Ran, write_schedule

FOLDER = "simulate"
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
    help="Samples to run; recorded ones are repeated.",
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
@click.option(
    "--latency",
    "latency_ms",
    type=FiniteRange(0, 60_000),
    default=0,
    metavar="MS",
    help="Of each link.",
)
@click.option("--jitter", "jitter_ms", type=FiniteRange(0, 60_000), default=0, metavar="MS")
@click.option("--loss", type=FiniteRange(0, 0.99), default=0, metavar="SHARE")
@click.option("--reorder", type=FiniteRange(0, 0.99), default=0, metavar="SHARE")
@click.option("--bandwidth", "bandwidth_kbps", type=FiniteRange(min=0.001), metavar="KBPS")
@click.option("--profile", "profile_name", metavar="FILE", help="Section times, or `measured`.")
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
    found = simulations(
        run,
        seeds=seeds,
        data=card,
        split=split,
        view_map=view_map,
        samples=samples,
        window=window,
        plan=plan_name,
        storm_per_s=storm_per_s,
        devices=devices,
        schedule=schedule_file,
        profile=profile_name,
        wire=wire,
        **conditions,
    )
    rows = []
    for result in found:
        rows.append(result.ran.row())
        is_alone = len(seeds) == 1 or schedule_file is not None
        place = folder if is_alone else folder / f"seed-{result.ran.seed}"
        write_outcome(place, Outcome(report=result.report, verdicts=result.verdicts))
        _tell(result, place, as_json=as_json, plan_name=plan_name)
    write_csv(folder / "seeds.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])
    broken = [row for row in rows if row["broken"]]
    if broken:
        raise DdnnError(f"{len(broken)} of {len(rows)} seeds broke a promise")


def _tell(found: SimulationResult, folder: Path, *, as_json: bool, plan_name: str | None) -> None:
    """The report; what broke, and how to see it again, on standard error."""
    ran, report = found.ran, found.report
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
        again = f"--schedule {path}" + (f" --plan {plan_name}" if plan_name else "")
        click.echo(f"  again: ddnn simulate RUN {again}", err=True)


def _speed_line(ran: Ran) -> str:
    result, seconds = ran.result, max(ran.seconds, 1e-9)
    return (
        f"seed {ran.seed}: {result.virtual_s:.3f} s of virtual time in {seconds:.1f} s, "
        f"{len(result.answers) / seconds:.0f} samples and {result.events / seconds:.0f} events a "
        f"second, {len(result.troubles)} failures, {result.runs} runs"
    )
