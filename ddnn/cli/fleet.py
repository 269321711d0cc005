"""`ddnn fleet FILE NODE`: one process for a node of many sites."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddnn.cli.options import insecure_option
from ddnn.errors import ConfigError
from ddnn.live.sources.file import local_address
from ddnn.run.fleet import serve_fleet

if TYPE_CHECKING:
    from ddnn.live.page.fleet import FleetEndpoint


@click.command(name="fleet")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("node")
@insecure_option
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Tell programs on this machine how the sites stand: /metrics for Prometheus, /readyz.",
)
def command(file: Path, node: str, *, insecure: bool, listen: str | None) -> None:
    """Serve node NODE of every site in FILE in one process, until Ctrl-C.

    FILE names a bundle a site, and is read again by SIGHUP. Each site launches the rest of its
    topology itself.
    """
    with ExitStack() as opened:
        shows = opened.enter_context(_endpoint(listen)).show if listen else lambda _look: None
        serve_fleet(
            file,
            node,
            insecure=insecure,
            say=lambda line: click.echo(line, err=True),
            shows=shows,
        )


def _endpoint(listen: str) -> FleetEndpoint:
    address = local_address("--listen", listen)
    try:
        from ddnn.live.page.fleet import FleetEndpoint  # noqa: PLC0415  # with an extra alone
    except ImportError as error:
        raise ConfigError(
            f"--listen: {error.name} is not installed, want the extra `page`: pip install "
            "'.[page]' in a checkout of ddnn"
        ) from error
    return FleetEndpoint(address)
