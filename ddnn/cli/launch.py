"""`ddnn launch RUN`: a trained topology as real processes."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ddnn.bundle.load import Bundle, load_bundle
from ddnn.data.loading import load
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError, DdnnError
from ddnn.report.tables import print_launch
from ddnn.run.hosts import check_host, nodes_of_host
from ddnn.run.launcher import launch
from ddnn.run.outcome import write_outcome
from ddnn.run.plan import FailurePlan, plan_of, read_plan
from ddnn.run.prepare import READY_S, Options, Watcher
from ddnn.run.site import serve_host
from ddnn.topology import Topology

SPLITS = click.Choice(["train", "validation", "test", "all"])


@click.command(name="launch")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", "card", metavar="CARD", help="Another data card than the run's own.")
@click.option("--split", type=SPLITS, default="test", show_default=True)
@click.option("--samples", type=click.IntRange(min=1), help="Run only the first N samples.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, help="Run the samples so often.")
@click.option("--window", type=click.IntRange(1, 256), help="Samples in flight at most.")
@click.option("--plan", "plan_name", metavar="PLAN", help="Failure plan: a file or shipped name.")
@click.option("--kill", "kills", multiple=True, metavar="NODE@SAMPLE", help="Kill before SAMPLE.")
@click.option("--recover", "recovers", multiple=True, metavar="NODE@SAMPLE", help="Start it again.")
@click.option("--host", metavar="NAME", help="Start only the nodes of this host.")
@click.option("--join", is_flag=True, help="Wait for the nodes of the other hosts.")
@click.option(
    "--join-timeout",
    type=click.FloatRange(min=0.1),
    default=READY_S,
    show_default=True,
    metavar="S",
    help="Seconds to wait for them.",
)
@click.option(
    "--keys", type=click.Path(path_type=Path), metavar="FOLDER", help="Made by `ddnn keys`."
)
@click.option("--insecure", is_flag=True, help="Listen to other machines without encryption.")
@click.option("--free-ports", is_flag=True, help="Use free ports, not the topology's.")
@click.option("--out", type=click.Path(path_type=Path), help="Report folder [RUN/launch].")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    run: Path,
    *,
    card: str | None,
    split: str,
    samples: int | None,
    rounds: int,
    window: int | None,
    plan_name: str | None,
    kills: tuple[str, ...],
    recovers: tuple[str, ...],
    host: str | None,
    join: bool,
    join_timeout: float,
    keys: Path | None,
    insecure: bool,
    free_ports: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Start RUN's topology as processes, run the test split, report, stop everything.

    On a host without the collector: start its nodes and keep them until the collector is done.
    """
    bundle = _bundle(run, host)
    _check_hosts(bundle.topology, host, join=join, free_ports=free_ports)
    options = Options(
        plan=_plan(plan_name, bundle.topology, kills, recovers),
        rounds=rounds,
        window=window,
        free_ports=free_ports,
        host=host,
        join_timeout_s=join_timeout,
        keys=keys,
        insecure=insecure,
    )
    if host is not None and host != bundle.topology.collector.host:
        _serve(bundle, options, card, split)
        return
    part = samples_of(bundle, card, split, samples)
    try:
        with _Display(len(part) * rounds) as watcher:
            outcome = launch(bundle, part, options, watcher)
    except KeyboardInterrupt:
        raise DdnnError("interrupted; all nodes are stopped, no report is written") from None
    folder = out or run / "launch"
    write_outcome(folder, outcome)
    if as_json:
        click.echo(json.dumps(outcome.report, indent=2))
    else:
        print_launch(outcome.report)
        click.echo(f"report: {folder / 'report.json'}")


def _bundle(run: Path, host: str | None) -> Bundle:
    """With the files that this host needs."""
    if host is None:
        return load_bundle(run)
    return load_bundle(run, nodes_of_host(load_bundle(run, ()).topology, host))


def _check_hosts(topology: Topology, host: str | None, *, join: bool, free_ports: bool) -> None:
    """Raises ConfigError for options that do not fit the topology's hosts."""
    check_host(topology, host)
    others = [name for name in topology.hosts if name != host]
    if host is not None and free_ports:
        raise ConfigError("--free-ports: other hosts could not know them, want the topology's")
    if join and host != topology.collector.host:
        raise ConfigError(
            f"--join: with --host {topology.collector.host}, which has the collector; got "
            f"{host or 'no --host'}"
        )
    if host == topology.collector.host and others and not join:
        raise ConfigError(
            f"--host {host}: there are nodes on {', '.join(others)}, want --join to wait for them"
        )


def _serve(bundle: Bundle, options: Options, card: str | None, split: str) -> None:
    """This host's part, until it is told to stop or Ctrl-C."""
    nodes = nodes_of_host(bundle.topology, options.host)
    has_devices = any(name in bundle.topology.devices for name in nodes)
    part = samples_of(bundle, card, split, None) if has_devices else None
    try:
        with _Display(0) as watcher:
            serve_host(bundle, part, options, watcher)
    except KeyboardInterrupt:
        raise DdnnError("interrupted; this host's nodes are stopped") from None


def samples_of(bundle: Bundle, card: str | None, split: str, samples: int | None) -> MultiView:
    """The first samples of a part of the card's data, by default of the run's own card."""
    own = bundle.manifest.data.get("card")
    if card is None and not isinstance(own, str):
        raise ConfigError(f"{bundle.folder}: names no data card, want --data CARD")
    part = load(card or str(own)).part(split)
    return part if samples is None else part.take(np.arange(min(samples, len(part))))


def _plan(
    name: str | None, topology: Topology, kills: tuple[str, ...], recovers: tuple[str, ...]
) -> FailurePlan:
    by_option = plan_of(topology, kills=kills, recovers=recovers)
    if name is None:
        return by_option
    plan = read_plan(name)
    return plan.model_copy(update={"failures": plan.failures + by_option.failures})


class _Display:
    """A progress bar on a terminal, a line an event elsewhere; both on standard error."""

    def __init__(self, samples: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._samples = samples

    def __enter__(self) -> Watcher:
        self._stack = ExitStack()
        if not self._console.is_terminal:
            return Watcher(say=lambda line: self._console.print(line, soft_wrap=True))
        progress = Progress(
            TextColumn("samples"), BarColumn(), MofNCompleteColumn(), console=self._console
        )
        self._stack.enter_context(progress)
        task = progress.add_task("", total=self._samples)
        return Watcher(
            progress=lambda answered: progress.update(task, completed=answered),
            say=progress.console.print,
        )

    def __exit__(self, *_: object) -> None:
        self._stack.close()
