"""`ddnn serve RUN`: a trained topology on live sources, without an end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ddnn.api.live import LiveSystem, devices_of, live_of, serve
from ddnn.cli.jsonlog import json_log, log_json_option
from ddnn.cli.launch import bundle_for, check_hosts, ready_option
from ddnn.cli.options import FiniteRange, insecure_option, keys_option, pid_option
from ddnn.cli.page import page_options, parse_page
from ddnn.errors import DdnnError
from ddnn.live.remote import LiveHost
from ddnn.live.service import SWAP_S
from ddnn.live.sinks import Sinks
from ddnn.live.systemd import READY, STOPPING, notify, unit
from ddnn.run.interrupt import interruptible, told
from ddnn.run.launcher.control import request
from ddnn.run.launcher.launch_files import REPORT
from ddnn.run.launcher.start import Options, Watcher


@click.command(name="serve")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--sources",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Which camera each device sees through, and when samples are taken.",
)
@click.option("--window", type=click.IntRange(1, 256), help="Samples in flight at most.")
@ready_option
@click.option("--host", metavar="NAME", help="Start only the nodes of this host.")
@click.option("--join", is_flag=True, help="Wait for the nodes of the other hosts.")
@keys_option
@insecure_option
@click.option("--free-ports", is_flag=True, help="Use free ports, not the topology's.")
@click.option("--ipc", is_flag=True, help="Use sockets of this machine, which count no bytes.")
@click.option(
    "--verdicts",
    default="-",
    metavar="FILE",
    help="Write verdicts there instead of on standard output.",
)
@click.option(
    "--rotate-mb",
    type=FiniteRange(min=0.001),
    default=100,
    show_default=True,
    metavar="MB",
    help="Begin another file when --verdicts is so large.",
)
@click.option(
    "--keep",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="Older files of --verdicts that are kept.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Let programs on this machine follow verdicts, ask for samples, tell the truth.",
)
@click.option(
    "--mqtt",
    metavar="URL",
    help="Publish verdicts too: mqtt://HOST:PORT/TOPIC, a password as ${NAME}.",
)
@page_options
@log_json_option
@click.option("--out", type=click.Path(path_type=Path), help="Report folder [RUN/serve].")
@click.option(
    "--swap",
    type=click.Path(path_type=Path),
    metavar="RUN2",
    help="Tell a running `ddnn serve` to go on with RUN2's bundle, without a gap.",
)
@pid_option
@click.option("--systemd", is_flag=True, help="Print a unit file for these options, run nothing.")
def command(
    run: Path | None,
    *,
    sources: Path | None,
    swap: Path | None,
    pid: int | None,
    systemd: bool,
    join: bool,
    log_json: bool,
    out: Path | None,
    **how: Any,
) -> None:
    """Run RUN's topology on live sources until Ctrl-C: a line of JSON for each verdict."""
    if swap is not None:
        _swap(run, swap, pid)
        return
    if run is None:
        raise click.UsageError("want RUN and --sources FILE, or --swap RUN2")
    if systemd:
        said = _said(click.get_current_context())
        click.echo(unit(said, folder=Path.cwd(), run=run), nl=False)
        return
    page = parse_page(how)
    options = Options(**{name: how[name] for name in _OF_NODES})
    bundle = bundle_for(run, options.host)
    check_hosts(bundle.topology, options, join=join, page=page)
    say = _say(bundle.topology.name, log_json=log_json)
    is_elsewhere = options.host not in (None, bundle.topology.collector.host)
    if sources is None and (not is_elsewhere or devices_of(bundle, options.host)):
        raise click.UsageError("want --sources FILE")
    if is_elsewhere:
        live = None if sources is None else live_of(bundle, sources, options.host)
        _run(LiveHost(bundle, live, options, Watcher(say=say)))
        return
    assert sources is not None
    folder = out or run / "serve"
    sinks = Sinks(page=page, out=folder, **{name: how[name] for name in _OF_SINKS})
    nodes = {name: how[name] for name in _OF_NODES if name != "show_views"}  # the page says it
    system = serve(run, sources, sinks, say=say, **nodes)
    report = _run(system)
    click.echo(f"{report['answered']} samples answered; report: {folder / REPORT}", err=True)
    if system.unwritten:
        raise DdnnError("; ".join(system.unwritten))


_OF_NODES = ("window", "ready_s", "host", "keys", "insecure", "free_ports", "ipc", "show_views")
"""Options that say how nodes run."""
_OF_SINKS = ("verdicts", "rotate_mb", "keep", "listen", "mqtt")
"""Options that say where all goes that comes of it."""


def _said(context: click.Context) -> list[str]:
    """RUN and the options that were given, but `--systemd`, as a command line has them."""
    words = []
    for each in context.command.params:
        name, value = each.name or "", context.params.get(each.name or "")
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not is_given or name == "systemd":
            continue
        is_flag = isinstance(each, click.Option) and each.is_flag
        words += [each.opts[0]] if isinstance(each, click.Option) else []
        words += [] if is_flag else [str(value)]
    return words


def _swap(run: Path | None, swap: Path, pid: int | None) -> None:
    if run is not None:
        raise click.UsageError("want --swap RUN2 alone: the running `ddnn serve` is told")
    sample = request({"swap": str(swap.absolute())}, pid, SWAP_S)
    waits = "waits here for the collector's host to go on with it"
    said = waits if sample is None else f"answers from sample {sample} on"
    click.echo(f"{swap} {said}", err=True)


def _run(system: LiveSystem | LiveHost) -> dict[str, Any]:
    """Until it ends, or a signal; SIGHUP takes new thresholds."""
    with ExitStack() as stack:
        with interruptible("interrupted before all nodes were ready"):
            stack.enter_context(system)
        notify(READY)
        with told(system.stop, system.reload):
            report = system.wait()
        notify(STOPPING)
    return report


def _say(topology: str, *, log_json: bool) -> Callable[[str], None]:
    if log_json:
        return json_log("serve", topology)
    return lambda line: click.echo(line, err=True)
