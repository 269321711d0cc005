"""`ddnn study STUDY.yaml`: many trainings, tried under sets of lost devices, on any engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ddnn.api.studies import MEANS, ROWS, run_study
from ddnn.cli.course import INTERRUPTED, CourseDisplay
from ddnn.cli.options import engine_option, jobs_option, json_option
from ddnn.report.files import check_writable
from ddnn.report.tables import interval, percent, plain_console, table
from ddnn.run.interrupt import interruptible

FIXED = ("lost", "sets", "seeds", "samples")
"""Columns of means.csv after those that tell the networks apart."""


@click.command(name="study")
@click.argument("study", metavar="STUDY.yaml", type=click.Path(path_type=Path))
@jobs_option
@engine_option
@json_option
def command(study: Path, *, out: Path, engine: str | None, as_json: bool) -> None:
    """Train and try every network of STUDY.yaml with every seed: a grid or a list."""
    check_writable(out)
    with interruptible(INTERRUPTED), CourseDisplay() as display:
        result = run_study(study, out=out, engine=engine or "local", show=display.show)
    if as_json:
        click.echo(json.dumps(result.means, indent=2))
        return
    plain_console().print(_table(result.means))
    click.echo(f"written: {out / ROWS}, {out / MEANS}")


def _table(lines: tuple[dict[str, Any], ...]) -> Table:
    names = list(dict.fromkeys(name for line in lines for name in line))
    chosen, seeds = names[: names.index(FIXED[0])], lines[0]["seeds"]
    made = table(
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}, {lines[0]['samples']} samples",
        *(name.rpartition(".")[2] for name in chosen),
        *("lost", "overall", "95 % over seeds", "worst set", "bytes"),
    )
    for line in lines:
        low, high = line["overall_low"], line["overall_high"]
        made.add_row(
            *(str(line.get(name, "")) for name in chosen),
            str(line["lost"]),
            percent(line["overall"]),
            interval(None if low is None or high is None else (low, high)),
            percent(line["overall_worst"]),
            f"{line['payload_bytes']:.1f}",
        )
    return made
