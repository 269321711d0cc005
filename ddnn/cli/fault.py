"""`ddnn fault NODE KIND`: makes a node of a running launch fail, or recover."""

from __future__ import annotations

import click

from ddnn.run.control import request
from ddnn.run.failures import KINDS


@click.command(name="fault")
@click.argument("node")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--pid", type=int, help="Process id of the launch, when several run.")
def command(node: str, kind: str, pid: int | None) -> None:
    """Do KIND to NODE in a running launch."""
    sample = request(node, kind, pid)
    click.echo(f"{node}: {kind} before sample {sample}")
