"""`ddnn keys TOPOLOGY`: a key pair for every node, for `security: {curve: true}`."""

from __future__ import annotations

from pathlib import Path

import click

from ddnn.cli.options import topology_of
from ddnn.topology import COLLECTOR
from ddnn.wire.keys import write_keys
from ddnn.wire.zeromq import make_key_pair


@click.command(name="keys")
@click.argument("topology")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def command(topology: str, out: Path) -> None:
    """Make a folder of keys for TOPOLOGY: NAME.key for each node and the collector, public.json.

    Each host needs public.json and the .key files of its own nodes, and no others.
    """
    checked = topology_of(topology)
    names = (COLLECTOR, *checked.nodes)
    write_keys(out, names, make_key_pair)
    click.echo(f"{out}: {len(names)} key files, for their owners alone, and public.json")
    for host in checked.hosts:
        own = [f"{name}.key" for name in names if checked.host(name) == host]
        click.echo(f"host {host} needs: public.json {' '.join(own)}")
