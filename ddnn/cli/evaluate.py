"""`ddnn evaluate`: accuracy of every exit of a run, offline."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ddnn.api.offline import evaluate
from ddnn.cli.options import data_options, json_option, plan_option, run_argument
from ddnn.report.files import check_writable
from ddnn.report.tables import print_offline


@click.command(name="evaluate")
@run_argument
@data_options
@plan_option
@json_option
def command(
    run: Path,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    plan_name: str | None,
    as_json: bool,
) -> None:
    """Measure RUN's network: every exit on all samples, and the overall rule.

    A plan's devices are masked at the samples for which it kills, hangs or cuts them off.
    """
    check_writable(run)
    found = evaluate(run, data=card, split=split, view_map=view_map, plan=plan_name)
    if as_json:
        click.echo(json.dumps(found.report, indent=2))
    else:
        print_offline(found.report)
