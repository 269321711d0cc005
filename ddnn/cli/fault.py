"""`ddnn fault NODE KIND`: makes a node or link of a running launch fail, or recover."""

from __future__ import annotations

from typing import Any

import click

from ddnn.run.control import request
from ddnn.run.plan import FAILURE_KINDS


@click.command(name="fault")
@click.argument("where", metavar="NODE|FROM:TO")
@click.argument("kind", type=click.Choice(FAILURE_KINDS))
@click.option("--delay-ms", type=float, help="delay: added to each message.")
@click.option("--jitter-ms", type=float, help="delay: uniform, on top.")
@click.option("--share", type=float, help="drop, corrupt: of messages, 0 to 1.")
@click.option("--factor", type=float, help="slow: times the section's own time.")
@click.option("--pid", type=int, help="Process id of the launch, when several run.")
def command(where: str, kind: str, pid: int | None, **knobs: float | None) -> None:
    """Do KIND to a node, or to the link written FROM:TO, of a running launch."""
    failure: dict[str, Any] = {"kind": kind}
    failure |= {key: value for key, value in knobs.items() if value is not None}
    sender, _, receiver = where.partition(":")
    failure |= {"link": [sender, receiver]} if receiver else {"node": where}
    sample = request(failure, pid)
    click.echo(f"{where}: {kind} before sample {sample}")
