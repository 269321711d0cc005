"""`ddnn report RUN`: the report of a run's last launch, or of its evaluation, again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ddnn.cli.options import json_option, run_argument
from ddnn.errors import DdnnError
from ddnn.report.tables import print_launch, print_offline
from ddnn.runfolder import check_finished


@click.command(name="report")
@run_argument
@json_option
def command(run: Path, as_json: bool) -> None:
    """Print the newest report in RUN: of its launch if there was one, else of its evaluation."""
    report = _read(run)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    elif report.get("command") == "launch":
        print_launch(report)
    else:
        print_offline(report)


def _read(run: Path) -> dict[str, Any]:
    for path in (run / "launch" / "report.json", run / "report.json"):
        if path.exists():
            try:
                report: dict[str, Any] = json.loads(path.read_bytes())
            except ValueError as error:
                raise DdnnError(f"{path}: not JSON, {error}") from error
            return report
    check_finished(run)
    raise DdnnError(f"{run}: no report, want a folder of ddnn train or ddnn launch")
