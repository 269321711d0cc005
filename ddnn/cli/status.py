"""`ddnn status`: versions and bundle digests of all nodes side by side, over all hosts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ddnn.cli.options import json_option
from ddnn.deploy.status import SHOWN, deployment_status, local_status


@click.command(name="status")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@json_option
def command(folder: Path | None, *, as_json: bool) -> None:
    """Show all nodes of the deployment in FOLDER; without FOLDER, of what runs on this machine.

    What is not as it should be is named, a line each, and the exit code is 1 then: a host that
    cannot be reached or runs another version or bundle, a node that does not run.
    """
    found = local_status() if folder is None else deployment_status(folder)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print(found)
    sys.exit(1 if found["differs"] else 0)


def _print(found: dict[str, Any]) -> None:
    table = Table("node", "host", "state", "ddnn", "bundle", box=None)
    for name, node in found["nodes"].items():
        version = node["ddnn"] or "not known here"
        table.add_row(name, node["host"], node["state"], version, node["bundle_sha256"][:SHOWN])
    if found["nodes"]:
        Console(highlight=False).print(table)
    for name, host in found.get("hosts", {}).items():
        if "error" not in host:
            bundle = str(host["bundle_sha256"])[:SHOWN]
            click.echo(
                f"host {name}: version {host['current']}, bundle {bundle}, ddnn {host['ddnn']}, "
                f"Python {host['python']}, {host['service']}"
            )
    for line in found["differs"]:
        click.echo(f"! {line}")
