"""`ddnn serve RUN`: a trained topology on live sources, without an end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ddnn.api.live import devices_of, live_of
from ddnn.bundle.load import Bundle
from ddnn.cli.launch import bundle_for, check_hosts, ready_option
from ddnn.cli.logs import json_log, log_json_option
from ddnn.cli.options import FiniteRange, insecure_option, keys_option, pid_option
from ddnn.cli.page import page_beside, page_options, parse_page
from ddnn.errors import ConfigError, DdnnError
from ddnn.live.endpoint import Endpoint
from ddnn.live.files import ServeFiles
from ddnn.live.mqtt import MqttVerdicts, check_url
from ddnn.live.output import RotatedFile, StandardOutput, VerdictLines
from ddnn.live.remote import LiveHost
from ddnn.live.service import SWAP_S, Service
from ddnn.live.serving import Live
from ddnn.live.sources.file import local_address
from ddnn.live.systemd import READY, STOPPING, notify, unit
from ddnn.report.files import check_writable
from ddnn.run.interrupt import interruptible, told
from ddnn.run.launcher.control import request
from ddnn.run.launcher.start import Options, Watcher
from ddnn.runfolder import is_run


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
    type=click.Path(path_type=Path),
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
    verdicts: Path | None,
    rotate_mb: float,
    keep: int,
    listen: str | None,
    mqtt: str | None,
    out: Path | None,
    log_json: bool,
    **how: Any,
) -> None:
    """Run RUN's topology on live sources until Ctrl-C: a line of JSON for each verdict."""
    if swap is not None:
        if run is not None:
            raise click.UsageError("want --swap RUN2 alone: the running `ddnn serve` is told")
        sample = request({"swap": str(swap.absolute())}, pid, SWAP_S)
        waits = "waits here for the collector's host to go on with it"
        said = waits if sample is None else f"answers from sample {sample} on"
        click.echo(f"{swap} {said}", err=True)
        return
    if run is None:
        raise click.UsageError("want RUN and --sources FILE, or --swap RUN2")
    if systemd:
        arguments = [each for each in sys.argv[2:] if each != "--systemd"]
        click.echo(unit(arguments, folder=Path.cwd(), run=run), nl=False)
        return
    page = parse_page(how)
    options = Options(**how)
    bundle = bundle_for(run, options.host)
    check_hosts(bundle.topology, options, join=join)
    is_elsewhere = options.host not in (None, bundle.topology.collector.host)
    say = _say(bundle.topology.name, log_json=log_json)
    if is_elsewhere and sources is None and not devices_of(bundle, options.host):
        _serve_host(bundle, None, options, say)
        return
    if sources is None:
        raise click.UsageError("want --sources FILE")
    live = live_of(bundle, sources, options.host)
    if is_elsewhere:
        _serve_host(bundle, live, options, say)
        return
    files = ServeFiles(_folder(run, out))
    watcher = Watcher(say=say)
    output = (
        StandardOutput()
        if verdicts is None
        else RotatedFile(verdicts, max_bytes=int(rotate_mb * 1e6), keep=keep)
    )
    if mqtt is not None:
        check_url(mqtt)
    with ExitStack() as stack:
        beside = page_beside(page, watcher, run, bundle, total=None, out=files.folder)
        watched = stack.enter_context(beside)
        service = Service(bundle, live, options, watched, sink=files)
        if listen is not None:
            stack.enter_context(Endpoint(local_address("--listen", listen), service))
        stack.enter_context(service)
        lines = VerdictLines(service.feed, output, watcher.say)
        stack.callback(lines.close)
        if mqtt is not None:
            stack.callback(MqttVerdicts(service.feed, mqtt, watcher.say).close)
        notify(READY)
        with told(service.stop, service.reload):
            report = service.run()
        notify(STOPPING)
    click.echo(
        f"{report['answered']} samples answered; report: {files.folder / 'report.json'}", err=True
    )
    if files.unwritten:
        raise DdnnError("; ".join(files.unwritten))


def _say(topology: str, *, log_json: bool) -> Callable[[str], None]:
    if log_json:
        return json_log("serve", topology)
    return lambda line: click.echo(line, err=True)


def _serve_host(
    bundle: Bundle, live: Live | None, options: Options, say: Callable[[str], None]
) -> None:
    """This host's part, until the collector is done, or a signal; SIGHUP takes new thresholds."""
    with ExitStack() as stack:
        with interruptible("interrupted before this host's nodes were ready"):
            host = stack.enter_context(LiveHost(bundle, live, options, Watcher(say=say)))
        notify(READY)
        with told(host.stop, host.reload):
            host.run()
        notify(STOPPING)


def _folder(run: Path, out: Path | None) -> Path:
    folder = run / "serve" if out is None else out
    if is_run(folder):
        raise ConfigError(f"--out {folder}: is a run of ddnn train, want another folder")
    check_writable(folder)
    return folder
