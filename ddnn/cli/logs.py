"""`ddnn logs`: what all hosts said, by time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ddnn.cli.options import json_option
from ddnn.deploy.status import deployment_logs, local_logs


@click.command(name="logs")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--lines",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="So many of each host.",
)
@json_option
def command(folder: Path | None, *, lines: int, as_json: bool) -> None:
    """Print what the hosts of the deployment in FOLDER said; without FOLDER, what runs here said.

    Hosts that cannot be reached are named on standard error, and the exit code is 1 then.
    """
    found, missing = (local_logs(lines), []) if folder is None else deployment_logs(folder, lines)
    for line in found:
        if as_json:
            click.echo(json.dumps({"time": line.at, "host": line.host, "message": line.message}))
        else:
            click.echo(f"{line.at} {line.host}: {line.message}")
    for said in missing:
        click.echo(f"ddnn: {said}", err=True)
    sys.exit(1 if missing else 0)
