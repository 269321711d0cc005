"""`ddnn logs`: what all hosts said, by time."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

import click

from ddnn.cli.options import json_option
from ddnn.deploy.logs import (
    Line,
    deployment_logs,
    follow_deployment,
    follow_local,
    local_logs,
)


@click.command(name="logs")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--lines",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="So many of each host.",
)
@click.option("--follow", "-f", is_flag=True, help="Then each line as it is said, until Ctrl-C.")
@json_option
def command(folder: Path | None, *, lines: int, follow: bool, as_json: bool) -> None:
    """Print what the hosts of the deployment in FOLDER said; without FOLDER, what runs here said.

    Hosts that cannot be reached are named on standard error, and the exit code is 1 then. With
    --follow they are named by a line, and tried again.
    """
    tell = _tell_json if as_json else _tell
    if follow:
        with suppress(KeyboardInterrupt):
            if folder is None:
                follow_local(lines, tell)
            else:
                follow_deployment(folder, lines, tell)
        return
    found, missing = (local_logs(lines), []) if folder is None else deployment_logs(folder, lines)
    for line in found:
        tell(line)
    for said in missing:
        click.echo(f"ddnn: {said}", err=True)
    sys.exit(1 if missing else 0)


def _tell(line: Line) -> None:
    click.echo(f"{line.at} {line.host}: {line.message}")


def _tell_json(line: Line) -> None:
    click.echo(json.dumps({"time": line.at, "host": line.host, "message": line.message}))
