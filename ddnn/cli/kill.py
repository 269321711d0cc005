"""`ddnn kill NODE`: short for `ddnn fault NODE kill`."""

from __future__ import annotations

import click

from ddnn.cli.options import pid_option
from ddnn.run.launcher.control import request


@click.command(name="kill")
@click.argument("node")
@pid_option
def command(node: str, pid: int | None) -> None:
    """Kill NODE's process in a running launch."""
    sample = request({"node": node, "kind": "kill"}, pid)
    click.echo(f"{node} killed" if sample is None else f"{node} killed before sample {sample}")
