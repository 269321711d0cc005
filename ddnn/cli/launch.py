"""`ddnn launch RUN`: a trained topology as real processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ddnn.api.samples import samples_of
from ddnn.bundle.load import Bundle, load_bundle
from ddnn.cli.jsonlog import json_log, log_json_option
from ddnn.cli.options import (
    FiniteRange,
    data_options,
    insecure_option,
    json_option,
    keys_option,
    plan_option,
    run_argument,
)
from ddnn.cli.page import check_shown, page_options, parse_page
from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError, DdnnError, InterruptError
from ddnn.live.page.beside import page_beside
from ddnn.live.page.options import PageOptions
from ddnn.plainfile import read_plain
from ddnn.report.files import check_writable
from ddnn.report.tables import print_launch
from ddnn.run.failures.plan import plan_for
from ddnn.run.hosts import check_host, nodes_of_host
from ddnn.run.interrupt import interruptible
from ddnn.run.launcher.launch import launch_into
from ddnn.run.launcher.launch_files import REPORT, LaunchFiles
from ddnn.run.launcher.remote_host import serve_host
from ddnn.run.launcher.start import READY_S, Options, Watcher
from ddnn.runfolder import is_run
from ddnn.topology import Topology

ready_option = click.option(
    "--ready-timeout",
    "ready_s",
    type=FiniteRange(min=0.1),
    default=READY_S,
    show_default=True,
    metavar="S",
    help="Seconds that all nodes get to start and to reach each other.",
)


@click.command(name="launch")
@run_argument
@data_options
@click.option(
    "--views",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="What this --host's devices see in place of data: NAME.npy each, and the digest.",
)
@click.option("--samples", type=click.IntRange(min=1), help="Run only the first N samples.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=1, help="Repeat the samples this often."
)
@click.option("--window", type=click.IntRange(1, 256), help="Samples in flight at most.")
@plan_option
@click.option("--kill", "kills", multiple=True, metavar="NODE@SAMPLE", help="Kill before SAMPLE.")
@click.option("--recover", "recovers", multiple=True, metavar="NODE@SAMPLE", help="Start it again.")
@click.option("--host", metavar="NAME", help="Start only the nodes of this host.")
@click.option("--join", is_flag=True, help="Wait for the nodes of the other hosts.")
@ready_option
@keys_option
@insecure_option
@click.option("--free-ports", is_flag=True, help="Use free ports, not the topology's.")
@click.option("--ipc", is_flag=True, help="Use sockets of this machine, which count no bytes.")
@click.option(
    "--rate",
    "rate_hz",
    type=FiniteRange(min=0.01),
    metavar="R",
    help="Samples a second at most.",
)
@log_json_option
@page_options
@click.option("--out", type=click.Path(path_type=Path), help="Report folder [RUN/launch].")
@json_option
def command(
    run: Path,
    *,
    card: str | None,
    split: str,
    view_map: dict[str, str] | None,
    views: Path | None,
    samples: int | None,
    plan_name: str | None,
    kills: tuple[str, ...],
    recovers: tuple[str, ...],
    join: bool,
    out: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Start RUN's topology as processes, run the test split, report, stop everything.

    On a host without the collector: start its nodes and keep them until the collector is done.
    """
    if views is not None and card is not None:
        raise click.UsageError("want --data or --views, got both")
    page = parse_page(how)
    log_json = bool(how.pop("log_json"))
    options = Options(**how)
    bundle = bundle_for(run, options.host)
    topology = bundle.topology
    check_hosts(topology, options, join=join, page=page)
    if options.host is not None and options.host != topology.collector.host:
        if page is not None:
            raise ConfigError(f"--page: is where the collector is, on {topology.collector.host}")
        plan = plan_for(topology, None, name=plan_name, kills=kills, recovers=recovers)
        _serve(
            bundle,
            replace(options, plan=plan),
            lambda: samples_of(bundle, card, split, view_map),
            views,
            log=topology.name if log_json else None,
        )
        return
    if views is not None:
        raise ConfigError("--views: of a host without the collector, want --data where it is")
    folder = _report_folder(run, out)
    whole = samples_of(bundle, card, split, view_map)
    part = _first(whole, samples)
    total = len(part) * options.rounds
    plan = plan_for(topology, total, name=plan_name, kills=kills, recovers=recovers)
    files = LaunchFiles(folder)
    options = replace(options, plan=plan, data=whole.digest)
    report = _launch(files, bundle, part, options, page=page, run=run, log_json=log_json)
    _tell(report, files, as_json=as_json)


def _launch(
    files: LaunchFiles,
    bundle: Bundle,
    part: MultiView,
    options: Options,
    *,
    page: PageOptions | None,
    run: Path,
    log_json: bool,
) -> dict[str, Any]:
    said = "interrupted; all nodes are stopped"
    try:
        total = len(part) * options.rounds
        with (
            interruptible(said),
            _Display(total, bundle.topology.name if log_json else None) as display,
            page_beside(page, display, run, bundle, total=total, out=files.folder) as watcher,
        ):
            return launch_into(files, bundle, part, options, watcher)
    except InterruptError as error:
        left = f"what was answered is in {files.folder}" if files.has_begun else "nothing was run"
        lines = [f"{said}, {left}", *files.unwritten]
        raise InterruptError("; ".join(lines), error.exit_code) from None


def _tell(report: dict[str, Any], files: LaunchFiles, *, as_json: bool) -> None:
    """Prints what is written already: a closed terminal costs nothing of what was measured.

    Raises DdnnError where a disk did not take all.
    """
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        print_launch(report)
    if files.unwritten:
        raise DdnnError("; ".join(files.unwritten))
    if not as_json:
        click.echo(f"report: {files.folder / REPORT}")


def _report_folder(run: Path, out: Path | None) -> Path:
    """Where the report goes. Raises DdnnError where it must not, or cannot be written."""
    folder = run / "launch" if out is None else out
    if is_run(folder):
        raise ConfigError(f"--out {folder}: is a run of ddnn train, want another folder")
    check_writable(folder)
    for name, mark in MARKS.items():
        if os.path.lexists(folder / name) and not _is_marked(folder / name, mark):
            raise ConfigError(
                f"--out {folder}: holds a {name} that is not of ddnn launch, want another folder"
            )
    return folder


MARKS = {
    "report.json": b'"bundle_sha256"',
    "verdicts.csv": b"sample,label,predicted",
    "links.csv": b"from,to,kind",
    "memory.csv": b"seconds,node,resident_mb",
}
"""What a launch writes, and how it is known: files of others are not replaced. A launch that was
killed may have left one empty."""
MARKED_BYTES = 1 << 24
"""A table is known by its beginning, a report is shorter."""


def _is_marked(path: Path, mark: bytes) -> bool:
    try:
        return mark in read_plain(path, MARKED_BYTES) or not path.stat().st_size
    except OSError:
        return False


def bundle_for(run: Path, host: str | None) -> Bundle:
    """With the files that this host needs."""
    if host is None:
        return load_bundle(run)
    return load_bundle(run, nodes_of_host(load_bundle(run, ()).topology, host))


def check_hosts(
    topology: Topology, options: Options, *, join: bool, page: PageOptions | None = None
) -> None:
    """Raises ConfigError for options that do not fit the topology's hosts."""
    host = options.host
    check_host(topology, host)
    others = [name for name in topology.hosts if name != host]
    if host is not None and options.free_ports:
        raise ConfigError("--free-ports: other hosts could not know them, want the topology's")
    if host is not None and options.ipc:
        raise ConfigError("--ipc: other hosts could not reach such sockets, want none with --host")
    if join and host != topology.collector.host:
        raise ConfigError(
            f"--join: with --host {topology.collector.host}, which has the collector; got "
            f"{host or 'no --host'}"
        )
    if host == topology.collector.host and others and not join:
        raise ConfigError(
            f"--host {host}: there are nodes on {', '.join(others)}, want --join to wait for them"
        )
    if host in (None, topology.collector.host):
        check_shown(page, show_views=options.show_views)


def _serve(
    bundle: Bundle,
    options: Options,
    samples: Callable[[], MultiView],
    views: Path | None,
    *,
    log: str | None,
) -> None:
    """This host's part, until it is told to stop, or by a signal. log: see _Display."""
    nodes = nodes_of_host(bundle.topology, options.host)
    has_devices = any(name in bundle.topology.devices for name in nodes)
    part = samples() if has_devices and views is None else None
    said = "interrupted; this host's nodes are stopped"
    with interruptible(said), _Display(0, log) as watcher:
        serve_host(bundle, part, options, watcher, views)


def _first(part: MultiView, samples: int | None) -> MultiView:
    return part if samples is None else part.take(np.arange(min(samples, len(part))))


class _Display:
    """A progress bar on a terminal, a line an event elsewhere; both on standard error. log: of
    which topology to write lines of JSON instead."""

    def __init__(self, samples: int, log: str | None = None) -> None:
        self._log = log
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._samples = samples

    def __enter__(self) -> Watcher:
        self._stack = ExitStack()
        if self._log is not None:
            return Watcher(say=json_log("launch", self._log))
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
