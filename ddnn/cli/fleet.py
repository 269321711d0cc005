"""`ddnn fleet FILE NODE`: one process for a node of many sites."""

from __future__ import annotations

from pathlib import Path

import click

from ddnn.cli.options import insecure_option
from ddnn.run.fleet import serve_fleet


@click.command(name="fleet")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("node")
@insecure_option
def command(file: Path, node: str, *, insecure: bool) -> None:
    """Serve node NODE of every site in FILE in one process, until Ctrl-C.

    FILE names a bundle a site. Each site launches the rest of its topology itself.
    """
    serve_fleet(file, node, insecure=insecure, say=lambda line: click.echo(line, err=True))
