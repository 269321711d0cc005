"""`ddnn evaluate`: accuracy of every exit of a run, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from ddnn.cli.options import data_options, json_option, plan_option, run_argument
from ddnn.report.files import check_writable
from ddnn.report.tables import print_offline
from ddnn.run.outcome import failure_entry
from ddnn.run.plan import actions, plan_for, presence
from ddnn.training.evaluate import evaluate_run
from ddnn.training.run import open_run


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
    trained = open_run(run)

    def losses(samples: int) -> tuple[NDArray[np.bool_], list[dict[str, Any]]]:
        plan = plan_for(trained.topology, samples, name=plan_name)
        done = sorted(actions(plan), key=lambda action: action.sample or 0)
        entries = [failure_entry(a.failure, a.sample, ends=a.ends) for a in done]
        return presence(plan, trained.topology, samples), entries

    document = evaluate_run(trained, card=card, split=split, view_map=view_map, losses=losses)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        print_offline(document)
