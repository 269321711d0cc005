"""`ddnn deploy compose|kubernetes|helm RUN`: all that others need to run it, a container a node.

`ddnn deploy ssh RUN`, and `start`, `stop`, `upgrade`, `rollback`: on hosts of one's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from ddnn.api.samples import samples_of
from ddnn.bundle.compose import COMPOSE, compose_folder
from ddnn.bundle.helm import helm_folder
from ddnn.bundle.kubernetes import kubernetes_folder
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.cli.options import F, data_options, run_argument
from ddnn.data.multiview import MultiView
from ddnn.deploy.hostsfile import read_hosts
from ddnn.deploy.parts import RUN
from ddnn.deploy.record import Deployment, read_record
from ddnn.deploy.rollout import deploy, rollback
from ddnn.deploy.rollout import upgrade as upgrade_all
from ddnn.deploy.together import on_all
from ddnn.errors import ConfigError
from ddnn.wire.zeromq import make_key_pair

_samples = click.option(
    "--samples", type=click.IntRange(min=1), help="Take N samples, evenly spaced."
)


def sample_options(command: F) -> F:
    """Which samples are to run through what is deployed: see `_chosen`."""
    return data_options(_samples(command))


_out = click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")


@click.group(name="deploy")
def command() -> None:
    """Put trained bundles on other machines."""


@command.command()
@run_argument
@sample_options
@_out
def compose(run: Path, *, out: Path, **chosen: Any) -> None:
    """Write docker-compose.yaml for RUN's topology: one service a node, one for the collector.

    Each service is given a folder with its own part of the bundle, its own keys where the
    topology has CURVE, and a device its own views. Limits, restarts and health are Docker's.
    """
    part = _chosen(load_bundle(run), **chosen)
    topology = compose_folder(run, part, out, make_key_pair)
    services = len(topology.nodes) + 1
    click.echo(
        f"{out / COMPOSE}: {services} services, {len(part)} samples; its first lines say how"
    )


@command.command()
@run_argument
@sample_options
@click.option(
    "--site", "sites", multiple=True, default=("ddnn",), show_default=True, metavar="NAME",
    help="A namespace, with keys of its own; repeatable.",
)  # fmt: skip
@_out
def kubernetes(run: Path, *, sites: tuple[str, ...], out: Path, **chosen: Any) -> None:
    """Write manifests for RUN's topology: a Deployment and a Service a node, an overlay a site.

    Pods may send to each other only what the topology's links carry. Each node's image holds its
    own part of the bundle and no torch; keys are Secrets.
    """
    part = _chosen(load_bundle(run), **chosen)
    sites = tuple(dict.fromkeys(sites))
    topology = kubernetes_folder(run, part, out, make_key_pair, sites=sites)
    click.echo(
        f"{out}: {len(topology.nodes)} nodes and the collector, {len(part)} samples, overlays "
        f"{', '.join(sites)}; the Dockerfile's first lines say how"
    )


@command.command()
@run_argument
@sample_options
@_out
def helm(run: Path, *, out: Path, **chosen: Any) -> None:
    """Write the same manifests as a Helm chart, with the values `registry` and `tag`."""
    part = _chosen(load_bundle(run), **chosen)
    topology = helm_folder(run, part, out, make_key_pair)
    click.echo(
        f"{out / 'chart'}: {len(topology.nodes)} nodes and the collector, {len(part)} samples; the "
        "Dockerfile's first lines say how"
    )


@command.command()
@run_argument
@click.option(
    "--hosts",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="How each host of the topology is reached.",
)
@sample_options
@_out
def ssh(run: Path, *, hosts: Path, out: Path, **chosen: Any) -> None:
    """Copy to each host of RUN's topology its part of the bundle, its keys and its views.

    Nothing is started: `ddnn deploy start OUT`. The collector's host may be missing in the hosts
    file: it is this machine then, and its part is in OUT. With `sources` in the hosts file it is
    served live, and no samples are copied.
    """
    bundle = load_bundle(run)
    reached = read_hosts(hosts, bundle.topology)
    part = _recorded(bundle, chosen, is_live=bool(reached.sources))
    found = deploy(bundle, part, hosts=reached, out=out, make_pair=make_key_pair, say=_say)
    click.echo(f"{', '.join(found.names)}: have version {found.current}, {_what(part)}")
    click.echo(f"start the nodes: ddnn deploy start {out}")
    then = "serve" if part is None else "run the samples"
    click.echo(f"then {then}: {_by_hand(out, found)}")


def _recorded(bundle: Bundle, chosen: dict[str, Any], *, is_live: bool) -> MultiView | None:
    """The samples to copy; None where cameras give them, and no option may choose some."""
    if not is_live:
        return _chosen(bundle, **chosen)
    for name in chosen:
        source = click.get_current_context().get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            raise click.UsageError("with `sources` in the hosts file cameras give the samples")
    return None


def _what(part: MultiView | None) -> str:
    return "served live" if part is None else f"{len(part)} samples"


def _by_hand(folder: Path, found: Deployment) -> str:
    """How a run is started where the collector is."""
    host = found.hosts.get(found.collector)
    if host is None:
        return f"{folder / 'current' / RUN}"
    login = host.address if host.user is None else f"{host.user}@{host.address}"
    port = "" if host.port == 22 else f"-p {host.port} "
    return f"ssh {port}{login} {host.folder}/current/{RUN}"


_folder = click.argument("folder", type=click.Path(path_type=Path))


@command.command()
@_folder
def start(folder: Path) -> None:
    """Start the nodes on all hosts of FOLDER, also after a reboot; return when they listen."""
    current = read_record(folder).current
    if current is None:
        raise ConfigError(f"{folder}: `ddnn deploy ssh` broke off, want it once more")
    _all(folder, "start", name=current)


@command.command()
@_folder
def stop(folder: Path) -> None:
    """Stop the nodes on all hosts of FOLDER."""
    _all(folder, "stop")


def _all(folder: Path, step: str, **arguments: Any) -> None:
    on_all(folder, step, **arguments)
    found = read_record(folder)
    done = "run" if step == "start" else "are stopped"
    click.echo(f"the nodes on {', '.join(found.kept)} {done}, version {found.current}")


@command.command()
@_folder
@run_argument
@sample_options
def upgrade(folder: Path, run: Path, **chosen: Any) -> None:
    """Bring RUN's bundle to all hosts of FOLDER in place of what is there, or to none.

    Nodes that run are started again with it. A host that cannot be reached, or where it does not
    come up, leaves all hosts as they were.
    """
    known, bundle = read_record(folder), load_bundle(run)
    part = _recorded(bundle, chosen, is_live=bool(known.sources))
    found = upgrade_all(folder, bundle, part, make_pair=make_key_pair, say=_say)
    click.echo(f"{', '.join(found.names)}: {known.current} -> {found.current}, {_what(part)}")


@command.command(name="rollback")
@_folder
def roll_back(folder: Path) -> None:
    """Go back to the version before, on all hosts of FOLDER or on none."""
    before = read_record(folder).current
    found = rollback(folder)
    click.echo(f"{', '.join(found.names)}: {before} -> {found.current}")


def _say(line: str) -> None:
    click.echo(f"ddnn: {line}", err=True)


def _chosen(
    bundle: Bundle,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    samples: int | None,
) -> MultiView:
    """Of the part of a data card, all, or so many that are evenly spaced."""
    part = samples_of(bundle, card, split, view_map)
    if samples is None:
        return part
    return part.take(np.linspace(0, len(part) - 1, min(samples, len(part))).astype(np.int64))
