"""`ddnn node RUN NAME`: one node by hand."""

from __future__ import annotations

from pathlib import Path

import click

from ddnn.run.child import ChildConfig, serve


@click.command(name="node")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
@click.option(
    "--views", type=click.Path(), help="A device's recorded views: .npy, uint8 (N,C,H,W)."
)
@click.option("--keys", type=click.Path(), metavar="FOLDER", help="Made by `ddnn keys`.")
@click.option("--insecure", is_flag=True, help="Listen to other machines without encryption.")
@click.option("--epoch", type=click.IntRange(0, 65535), default=0, help="Restarts before this one.")
def command(
    run: Path, name: str, *, views: str | None, keys: str | None, insecure: bool, epoch: int
) -> None:
    """Run node NAME of RUN's bundle at its topology's endpoint, until Ctrl-C."""
    serve(
        ChildConfig(
            bundle=str(run),
            node=name,
            views=views,
            epoch=epoch,
            tied=False,
            keys=keys,
            insecure=insecure,
        )
    )
