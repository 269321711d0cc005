"""`ddnn bundle split RUN`: the part of a bundle that one host or some nodes need.

`ddnn bundle place RUN TOPOLOGY`: the same network at other addresses.
"""

from __future__ import annotations

from pathlib import Path

import click

from ddnn.bundle.load import load_bundle
from ddnn.bundle.place import place_bundle
from ddnn.bundle.split import split_bundle
from ddnn.cli.options import run_argument, topology_of
from ddnn.run.hosts import nodes_of_host


@click.group(name="bundle")
def command() -> None:
    """Handle trained bundles."""


@command.command()
@run_argument
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="A node that is to run there.")
@click.option("--host", metavar="NAME", help="All nodes of this host.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def split(run: Path, nodes: tuple[str, ...], host: str | None, out: Path) -> None:
    """Write the part of RUN's bundle that some nodes, or a host's, need.

    It talks with the whole bundle and with its other parts. The collector needs no files: an
    empty part serves a host that has the collector alone.
    """
    if (host is None) == (not nodes):
        raise click.UsageError("want either --host NAME or --node NAME, which may be given again")
    if host is not None:
        nodes = nodes_of_host(load_bundle(run, ()).topology, host)
    nodes = tuple(dict.fromkeys(nodes))
    files = split_bundle(run, nodes, out)
    click.echo(f"{out}: {', '.join(nodes) or 'no node'}; {len(files)} files and the manifest")


@command.command()
@run_argument
@click.argument("topology")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def place(run: Path, topology: str, out: Path) -> None:
    """Write RUN's bundle with TOPOLOGY's addresses, hosts, links, deadlines and security.

    Nothing is trained anew: TOPOLOGY must be of the same network. Thresholds stay RUN's.
    """
    placed = place_bundle(run, topology_of(topology), out)
    hosts = ", ".join(placed.topology.hosts)
    click.echo(f"{out}: the network of {run} for topology {placed.topology.name} (hosts: {hosts})")
