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
from ddnn.run.launcher import Options, Watcher, launch
from ddnn.run.outcome import write_outcome
from ddnn.run.plan import FailurePlan, plan_of, read_plan
from ddnn.topology import Topology


@click.command(name="launch")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", "card", metavar="CARD", help="Another data card than the run's own.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="test",
    show_default=True,
)
@click.option("--samples", type=click.IntRange(min=1), help="Run only the first N samples.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, help="Run the samples so often.")
@click.option("--window", type=click.IntRange(1, 256), help="Samples in flight at most.")
@click.option("--plan", "plan_name", metavar="PLAN", help="Failure plan: a file or shipped name.")
@click.option("--kill", "kills", multiple=True, metavar="NODE@SAMPLE", help="Kill before SAMPLE.")
@click.option("--recover", "recovers", multiple=True, metavar="NODE@SAMPLE", help="Start it again.")
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
    free_ports: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Start RUN's topology as processes, run the test split, report, stop everything."""
    bundle = load_bundle(run)
    part = _samples(bundle, card, split, samples)
    plan = _plan(plan_name, bundle.topology, kills, recovers)
    try:
        with _Display(len(part) * rounds) as watcher:
            outcome = launch(
                bundle,
                part,
                Options(plan=plan, rounds=rounds, window=window, free_ports=free_ports),
                watcher,
            )
    except KeyboardInterrupt:
        raise DdnnError("interrupted; all nodes are stopped, no report is written") from None
    folder = out or run / "launch"
    write_outcome(folder, outcome)
    if as_json:
        click.echo(json.dumps(outcome.report, indent=2))
    else:
        print_launch(outcome.report)
        click.echo(f"report: {folder / 'report.json'}")


def _samples(bundle: Bundle, card: str | None, split: str, samples: int | None) -> MultiView:
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
