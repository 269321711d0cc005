"""`ddnn topology`: check a file, draw it, print the schema."""

from __future__ import annotations

import json

import click

from ddnn.cli.options import topology_of
from ddnn.report.drawing import draw
from ddnn.run.hosts import check_names
from ddnn.topology import Topology


@click.group(name="topology")
def command() -> None:
    """Check or draw a topology file, print its JSON Schema."""


@command.command()
@click.argument("file")
def check(file: str) -> None:
    """Validate FILE (or a shipped topology's name) and draw it."""
    topology = topology_of(file)
    check_names(topology, source=file)
    click.echo(draw(topology))
    click.echo(f"\n{file}: {len(topology.nodes)} nodes, no mistakes found")


@command.command("draw")
@click.argument("file")
def draw_command(file: str) -> None:
    """Draw FILE as text."""
    click.echo(draw(topology_of(file)))


@command.command()
def schema() -> None:
    """Print the JSON Schema of topology files, for editors."""
    click.echo(json.dumps(Topology.model_json_schema(), indent=2))
