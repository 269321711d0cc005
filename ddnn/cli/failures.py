"""`ddnn failures`: accuracy of a run under every set of lost devices, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ddnn.api.offline import failures
from ddnn.cli.options import data_options, json_option, run_argument
from ddnn.report.files import check_writable
from ddnn.report.tables import percent, plain_console, table
from ddnn.training.failures import FOLDER, REPORT, SUBSETS


@click.command(name="failures")
@run_argument
@data_options
@json_option
def command(
    run: Path, *, card: str | None, split: str, view_map: dict[str, str] | None, as_json: bool
) -> None:
    """Measure RUN's network with every set of its devices lost."""
    check_writable(run / FOLDER)
    document = failures(run, data=card, split=split, view_map=view_map).report
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    plain_console().print(_table(document))
    click.echo(f"written: {run / FOLDER / REPORT}, {run / FOLDER / SUBSETS}")


def _table(document: dict[str, Any]) -> Table:
    exits = list(next(iter(document["lost"].values())))
    title = f"{document['topology']}: {document['samples']} samples, mean / worst"
    made = table(title, "lost", *exits, "worst set (overall)")
    for count, losses in document["lost"].items():
        cells = [f"{percent(loss['mean'])} / {percent(loss['worst'])}" for loss in losses.values()]
        made.add_row(str(count), *cells, " ".join(losses["overall"]["worst_lost"]))
    return made
