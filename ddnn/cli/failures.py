"""`ddnn failures`: accuracy of a run under every set of lost devices, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ddnn.api.offline import failures
from ddnn.cli.course import INTERRUPTED, CourseDisplay
from ddnn.cli.options import (
    data_options,
    engine_option,
    json_option,
    report_folder,
    run_argument,
)
from ddnn.report.tables import percent, plain_console, table
from ddnn.run.interrupt import interruptible
from ddnn.training.failures import FOLDER, REPORT, SUBSETS


@click.command(name="failures")
@run_argument
@data_options
@engine_option
@click.option("--out", type=click.Path(path_type=Path), help="Report folder [RUN/failures].")
@json_option
def command(
    run: Path,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    engine: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure RUN's network with every set of its devices lost.

    With --engine each set is a job, and every engine gives the same files.
    """
    folder = report_folder(run / FOLDER, out)
    kept = INTERRUPTED if engine else "interrupted; nothing is kept"
    with interruptible(kept), CourseDisplay() as display:
        document = failures(
            run,
            data=card,
            split=split,
            view_map=view_map,
            engine=engine,
            out=folder,
            show=display.show,
        ).report
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    plain_console().print(_table(document))
    click.echo(f"written: {folder / REPORT}, {folder / SUBSETS}")


def _table(document: dict[str, Any]) -> Table:
    exits = list(next(iter(document["lost"].values())))
    title = f"{document['topology']}: {document['samples']} samples, mean / worst"
    made = table(title, "lost", *exits, "worst set (overall)")
    for count, losses in document["lost"].items():
        cells = [f"{percent(loss['mean'])} / {percent(loss['worst'])}" for loss in losses.values()]
        made.add_row(str(count), *cells, " ".join(losses["overall"]["worst_lost"]))
    return made
