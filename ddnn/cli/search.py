"""`ddnn search SEARCH.yaml`: networks that no other surpasses in accuracy, bytes and energy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ddnn.api.studies import PARETO, PICTURE, TRIALS, SearchResult, run_search
from ddnn.cli.course import INTERRUPTED, CourseDisplay
from ddnn.cli.options import engine_option, jobs_option, json_option
from ddnn.report.files import check_writable
from ddnn.report.tables import plain_console, table
from ddnn.run.interrupt import interruptible


@click.command(name="search")
@click.argument("search", metavar="SEARCH.yaml", type=click.Path(path_type=Path))
@jobs_option
@engine_option
@json_option
def command(search: Path, *, out: Path, engine: str | None, as_json: bool) -> None:
    """Search the space of SEARCH.yaml; what is chosen follows from validation samples alone."""
    check_writable(out)
    with interruptible(INTERRUPTED), CourseDisplay() as display:
        result = run_search(search, out=out, engine=engine or "local", show=display.show)
    if as_json:
        click.echo(json.dumps([_line(result, number) for number in range(len(result.best))]))
        return
    plain_console().print(_table(result))
    written = [TRIALS, PARETO, *([PICTURE] if len(result.objectives) > 1 else [])]
    click.echo(f"written: {', '.join(str(out / name) for name in written)}")


def _line(result: SearchResult, number: int) -> dict[str, Any]:
    trial = result.best[number]
    return {
        "trial": trial.number,
        "chosen": trial.chosen,
        "validation": dict(zip(result.objectives, trial.values or (), strict=False)),
        "test": dict(zip(result.objectives, trial.test or (), strict=False)),
    }


def _table(result: SearchResult) -> Table:
    chosen = list(result.best[0].chosen)
    tests = [f"{name}, test" for name in result.objectives]
    made = table(
        "not surpassed on validation samples",
        *("trial", *(name.rpartition(".")[2] for name in chosen), *result.objectives, *tests),
    )
    for trial in result.best:
        values = (*(trial.values or ()), *(trial.test or [float("nan")] * len(tests)))
        cells = [_short(trial.chosen[name]) for name in chosen]
        made.add_row(str(trial.number), *cells, *(f"{value:.4g}" for value in values))
    return made


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
