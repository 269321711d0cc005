"""`ddnn node RUN NAME`: one node by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from ddnn.api.samples import samples_of
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.cli.options import (
    data_options,
    insecure_option,
    keys_option,
    run_argument,
)
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.run.child.config import ChildConfig
from ddnn.run.child.serve import serve
from ddnn.run.interrupt import interruptible
from ddnn.run.launcher.start import save_views


@click.command(name="node")
@run_argument
@click.argument("name")
@data_options
@click.option(
    "--views", type=click.Path(), help="A .npy file (N,C,H,W) of the view's type, in place of data."
)
@keys_option
@insecure_option
def command(
    run: Path,
    name: str,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    views: str | None,
    keys: Path | None,
    insecure: bool,
) -> None:
    """Run node NAME of RUN's bundle at its topology's endpoint, until Ctrl-C.

    A device sees its view of the test split, as with ddnn launch.
    """
    if views is not None and card is not None:
        raise click.UsageError("want --data or --views, got both")

    def seen(bundle: Bundle) -> MultiView:
        return samples_of(bundle, card, split, view_map)

    said = "interrupted; the node is stopped"
    with interruptible(said), tempfile.TemporaryDirectory(prefix="ddnn-node-") as folder:
        bundle = load_bundle(run, [name])
        _check_alone(bundle, name)
        recorded = (views, 0) if views else _recorded(bundle, name, card, seen, Path(folder))
        serve(
            ChildConfig(
                bundle=str(run),
                node=name,
                views=recorded[0],
                data=recorded[1],
                tied=False,
                keys=None if keys is None else str(keys),
                insecure=insecure,
            )
        )


def _check_alone(bundle: Bundle, name: str) -> None:
    """Raises ConfigError for a node that shares a process: captures come to one node of it."""
    pack = bundle.topology.pack(name) if name in bundle.topology.nodes else (name,)
    if len(pack) > 1:
        raise ConfigError(
            f"{name}: shares a process with {', '.join(n for n in pack if n != name)}, want "
            f"`ddnn launch --host {bundle.topology.host(name)}`, or no `pack`"
        )


def _recorded(
    bundle: Bundle,
    name: str,
    card: str | None,
    seen: Callable[[Bundle], MultiView],
    folder: Path,
) -> tuple[str | None, int]:
    """The file of a device's views and the digest of all samples; None and 0 for another node."""
    if name not in bundle.topology.devices:
        if card is not None:
            raise ConfigError(f"--data: {name} is no device, it sees nothing")
        return None, 0
    samples = seen(bundle)
    return save_views(folder, name, bundle.topology, samples), samples.digest
