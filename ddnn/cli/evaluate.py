"""`ddnn evaluate`: accuracy of every exit of a run, offline."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ddnn.cli.options import data_options, json_option, run_argument
from ddnn.report.tables import print_offline
from ddnn.training.evaluate import evaluate_run
from ddnn.training.run import open_run


@click.command(name="evaluate")
@run_argument
@data_options
@json_option
def command(run: Path, card: str | None, split: str, as_json: bool) -> None:
    """Measure RUN's network: every exit on all samples, and the overall rule."""
    document = evaluate_run(open_run(run), card=card, split=split)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        print_offline(document)
