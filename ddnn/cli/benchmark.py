"""`ddnn benchmark run|check|table|tasks`: methods compared on fixed splits."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ddnn.api.comparison import SUBMISSION, benchmark
from ddnn.comparison.compare import METHODS, all_methods
from ddnn.comparison.submission import joined, read_submission
from ddnn.comparison.tables import tables
from ddnn.comparison.task import TASKS
from ddnn.data import load_card
from ddnn.data.availability import availability
from ddnn.report.tables import plain_console
from ddnn.shipped import find

_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group(name="benchmark")
def command() -> None:
    """Compare methods: accuracy, bytes, lost devices, bit errors."""


@command.command()
@click.option(
    "--task", "tasks", multiple=True, metavar="TASK", help="A task or a card; may be repeated."
)
@click.option("--method", "methods", multiple=True, metavar="NAME", help="May be repeated.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option(
    "--epochs", type=click.IntRange(1, 100_000), help="Of ddnn's own networks: shortens them."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the submission as JSON.")
def run(
    tasks: tuple[str, ...],
    methods: tuple[str, ...],
    *,
    seeds: int,
    epochs: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Train and try methods; write OUT/submission.json.

    Default: all of ddnn's own methods on the tasks that need no data. `ddnn benchmark tasks` lists
    tasks and methods.
    """
    submission = benchmark(
        tasks or TASKS[:2],
        methods or METHODS,
        out=out,
        seeds=seeds,
        epochs=epochs,
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(submission.model_dump(mode="json"), indent=2))
        return
    _show([out / SUBMISSION])


@command.command()
@_FILES
def check(files: tuple[Path, ...]) -> None:
    """Check submissions: whole, of this version, and their figures those of their rows."""
    for path in files:
        submission = read_submission(path)
        click.echo(f"{path}: {len(submission.results)} results on {len(submission.tasks)} tasks")


@command.command()
@_FILES
def table(files: tuple[Path, ...]) -> None:
    """Show submissions beside each other, a table a task, the best first."""
    _show(files)


@command.command()
def tasks() -> None:
    """List the tasks, whether their data are there, and the methods."""
    for name in TASKS:
        click.echo(f"{name}: {availability(load_card(name), find('datasets', name))}")
    click.echo(f"methods: {', '.join(all_methods())}")


def _show(files: list[Path] | tuple[Path, ...]) -> None:
    known, results = joined(read_submission(path) for path in files)
    console = plain_console()
    for made in tables(known, results):
        console.print(made)
