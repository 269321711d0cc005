"""`ddnn evaluate`: accuracy of every exit of a run, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ddnn.training.evaluate import evaluate_run
from ddnn.training.run import open_run

SPLITS = click.Choice(["train", "validation", "test", "all"])


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
        print_report(document)


def print_report(document: dict[str, Any]) -> None:
    """The table of exits and a line on bytes, on standard output."""
    table = Table(title=f"{document['topology']}: {document['samples']} samples")
    for column in ("exit", "all samples", "95 % interval", "answers", "right", "T"):
        table.add_column(column, justify="left" if column == "exit" else "right")
    for name, part in document["exits"].items():
        threshold = part["threshold"]
        table.add_row(
            name,
            percent(part["all_samples_accuracy"]),
            interval(part["all_samples_interval"]),
            percent(part["share"]),
            percent(part["accuracy"]),
            "" if threshold is None else f"{threshold:.3f}",
        )
    overall = document["accuracy_interval"]
    table.add_row("overall", percent(document["accuracy"]), interval(overall), "", "", "")
    console = Console(highlight=False)
    console.print(table)
    classes = ", ".join(
        f"{name} {part['correct']}/{part['samples']}" for name, part in document["classes"].items()
    )
    console.print(f"right by class: {classes}")
    payload = document["bytes"]["per_device_sample"]["payload"]
    console.print(f"payload: {payload:.1f} bytes per device and sample")


def percent(value: float | None) -> str:
    """A share of 1 as per cent; a dash for none."""
    return "–" if value is None else f"{value:.1%}"


def interval(bounds: tuple[float, float] | None) -> str:
    """Two shares of 1 as per cent."""
    return "–" if bounds is None else f"{bounds[0]:.1%} – {bounds[1]:.1%}"
