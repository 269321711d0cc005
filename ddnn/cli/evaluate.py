"""`ddnn evaluate`: accuracy of every exit of a run, offline."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ddnn.cli.launch import SPLITS
from ddnn.report.tables import print_offline
from ddnn.training.evaluate import evaluate_run
from ddnn.training.run import open_run


@click.command(name="evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", "card", metavar="CARD", help="Another data card than the run's own.")
@click.option("--split", type=SPLITS, default="test", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(run: Path, card: str | None, split: str, as_json: bool) -> None:
    """Measure RUN's network: every exit on all samples, and the overall rule."""
    document = evaluate_run(open_run(run), card=card, split=split)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        print_offline(document)
