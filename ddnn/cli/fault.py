"""`ddnn fault NODE KIND`: makes a node or link of a running launch fail, or recover."""

from __future__ import annotations

from typing import Any

import click

from ddnn.cli.options import F, pid_option
from ddnn.report.tables import failure_line
from ddnn.run.failures.failure import FAILURE_KINDS, STRENGTHS, Failure, parse_failure
from ddnn.run.launcher.control import request
from ddnn.run.outcome import failure_entry

KINDS = [kind for kind in FAILURE_KINDS if kind != "trace"]
"""A trace is read from its file where a plan is."""


def strength_options(command: F) -> F:
    """`--delay-ms` and so on, each with the default that a plan has."""
    for key in reversed(STRENGTHS):
        field = Failure.model_fields[key]
        help_text = f"{field.description}. [default: {field.default:g}]"
        option = f"--{key.replace('_', '-')}"
        command = click.option(option, key, type=float, metavar="X", help=help_text)(command)
    return command


@click.command(name="fault")
@click.argument("where", metavar="NODE|FROM:TO")
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@strength_options
@pid_option
def command(where: str, kind: str, pid: int | None, **strengths: float | None) -> None:
    """Do KIND to a node, or to the link written FROM:TO, of a running launch.

    KIND is kill, hang, delay, drop, corrupt, bitflip, partition, slow or recover.
    """
    sender, _, receiver = where.partition(":")
    asked: dict[str, Any] = {"link": [sender, receiver]} if receiver else {"node": where}
    asked |= {"kind": kind}
    asked |= {key: value for key, value in strengths.items() if value is not None}
    failure = parse_failure(asked | {"at": {"sample": 0}})
    tell(failure, request(asked, pid))


def tell(failure: Failure, sample: int | None) -> None:
    """What was done, and from which sample on where that is known."""
    if sample is None:
        click.echo(f"{failure.where}: {failure.text}")
    else:
        click.echo(failure_line(failure_entry(failure, sample)))
