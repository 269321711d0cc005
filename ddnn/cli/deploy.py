"""`ddnn deploy kubernetes RUN`, `ddnn deploy helm RUN`: all that Kubernetes needs, a pod a node."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from ddnn.api.samples import samples_of
from ddnn.bundle.helm import helm_folder
from ddnn.bundle.kubernetes import kubernetes_folder
from ddnn.bundle.load import load_bundle
from ddnn.cli.options import data_options, run_argument
from ddnn.data.multiview import MultiView
from ddnn.wire.zeromq import make_key_pair


@click.group(name="deploy")
def command() -> None:
    """Put trained bundles on other machines. For Docker: `ddnn bundle compose`."""


@command.command()
@run_argument
@data_options
@click.option("--samples", type=click.IntRange(min=1), help="Take N samples, evenly spaced.")
@click.option(
    "--site", "sites", multiple=True, default=("ddnn",), show_default=True, metavar="NAME",
    help="A namespace, with keys of its own; repeatable.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def kubernetes(
    run: Path,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    samples: int | None,
    sites: tuple[str, ...],
    out: Path,
) -> None:
    """Write manifests for RUN's topology: a Deployment and a Service a node, an overlay a site.

    Pods may send to each other only what the topology's links carry. Each node's image holds its
    own part of the bundle and no torch; keys are Secrets.
    """
    part = _part(run, card, split, view_map=view_map, samples=samples)
    topology = kubernetes_folder(run, part, out, make_key_pair, sites=tuple(dict.fromkeys(sites)))
    click.echo(
        f"{out}: {len(topology.nodes)} nodes and the collector, {len(part)} samples, overlays "
        f"{', '.join(dict.fromkeys(sites))}; the Dockerfile's first lines say how"
    )


@command.command()
@run_argument
@data_options
@click.option("--samples", type=click.IntRange(min=1), help="Take N samples, evenly spaced.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def helm(
    run: Path,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    samples: int | None,
    out: Path,
) -> None:
    """Write the same manifests as a Helm chart, with the values `registry` and `tag`."""
    part = _part(run, card, split, view_map=view_map, samples=samples)
    topology = helm_folder(run, part, out, make_key_pair)
    click.echo(
        f"{out / 'chart'}: {len(topology.nodes)} nodes and the collector, {len(part)} samples; the "
        "Dockerfile's first lines say how"
    )


def _part(
    run: Path,
    card: str | None,
    split: str,
    *,
    view_map: dict[str, str] | None,
    samples: int | None,
) -> MultiView:
    part = samples_of(load_bundle(run), card, split, view_map)
    if samples is None:
        return part
    return part.take(np.linspace(0, len(part) - 1, min(samples, len(part))).astype(np.int64))
