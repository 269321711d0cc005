"""`ddnn demo`: everything once, on data that is made on the spot."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ddnn.api.samples import samples_of
from ddnn.bundle.load import load_bundle
from ddnn.cli.options import seed_option
from ddnn.cli.page import check_shown, page_options, parse_page
from ddnn.cli.train import EpochDisplay
from ddnn.demo import run_demo
from ddnn.live.page.beside import page_beside
from ddnn.live.page.options import PageOptions
from ddnn.live.serving import NoFiles
from ddnn.report.files import check_writable, write_json
from ddnn.report.tables import interval, percent, plain_console, print_launch, table
from ddnn.run.interrupt import interruptible
from ddnn.run.launcher.launch import MAX_SAMPLES, launch_into
from ddnn.run.launcher.start import Options, Watcher
from ddnn.training.settings import settings_for

RATE_HZ = 5
"""Samples a second on the page: slow enough to look."""


@click.command(name="demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder of the run; an earlier demo's is replaced.",
)
@seed_option
@click.option("--epochs", type=click.IntRange(min=1), help="In all; the preset's by default.")
@page_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(out: Path, seed: int, epochs: int | None, as_json: bool, **how: Any) -> None:
    """Render six cameras' views, train, launch eight processes, kill one, report.

    With --page, go on with five samples a second until Ctrl-C, to be watched.
    """
    page = parse_page(how)
    check_shown(page, show_views=how["show_views"])
    check_writable(out)
    begun_s = time.monotonic()
    settings = settings_for("robust", epochs=epochs)
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    said = "interrupted; all nodes are stopped"
    with interruptible(said), EpochDisplay(settings.epochs) as display:
        result = run_demo(out, settings, seed=seed, say=console.print, on_epoch=display.show)
    result["seconds"] = time.monotonic() - begun_s
    write_json(out / "demo.json", result)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        _print(result)
    if page is not None:
        show(out, page, console)


def show(run: Path, page: PageOptions, console: Console) -> None:
    """The run's test samples, over and over, beside its page."""
    bundle = load_bundle(run)
    samples = samples_of(bundle, None, "test")
    options = Options(
        free_ports=True,
        rate_hz=RATE_HZ,
        rounds=MAX_SAMPLES // len(samples),
        show_views=page.show_views,
    )
    watcher = Watcher(say=console.print)
    with (
        interruptible("all nodes are stopped"),
        page_beside(page, watcher, run, bundle, total=None, out=run) as watched,
    ):
        launch_into(NoFiles(), bundle, samples, options, watched)


def _print(result: dict[str, Any]) -> None:
    console = plain_console()
    print_launch(result["launch"], console)
    paper = result["paper"]
    made = table(f"{result['device_lost']} lost, n = {result['samples']}", "", "here", "paper")
    for when, words in (("before", "all devices"), ("after", "best camera's device killed")):
        here = f"{percent(result[when])}  ({interval(result[when + '_interval'])})"
        made.add_row(f"accuracy, {words}", here, percent(paper[when]))
    made.add_row(
        "answered locally, all devices",
        percent(result["local_share"]),
        percent(paper["local_share"]),
    )
    made.add_row(
        "payload, bytes a device, all devices",
        f"{result['payload_bytes']:.1f}",
        str(paper["payload_bytes"]),
    )
    made.add_row("a raw view, bytes", str(result["raw_bytes"]), "3072")
    console.print()
    console.print(made)
    console.print(
        "The paper's data is another (MVMC); its accuracies are of 16 filters a device, share and "
        "bytes of 4.\nFor its row with a device lost it trained a new network with five; here the "
        "six-device network\nloses one while it runs."
    )
    for path in result["files"]:
        console.print(path)
    console.print(f"{result['seconds']:.0f} s in all")
