"""`ddnn train`: from a topology and a data card to a run folder with a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ddnn.api.offline import train
from ddnn.cli.options import FiniteRange, seed_option
from ddnn.errors import DdnnError
from ddnn.report.tables import print_offline
from ddnn.runfolder import epochs_done, is_finished, is_run
from ddnn.training.epoch import Epoch
from ddnn.training.evaluate import evaluate_run
from ddnn.training.follow import follow_run
from ddnn.training.parallel import joined
from ddnn.training.run import Run, read_config, resume_run
from ddnn.training.settings import settings_for
from ddnn.training.trackers import Tracking, both


class EpochDisplay:
    """A progress bar on a terminal, a line an epoch elsewhere; both on standard error."""

    def __init__(self, epochs: int) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._epochs = epochs
        self._progress: Progress | None = None
        if self._console.is_terminal:
            self._progress = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[text]}"),
                console=self._console,
            )
            self._task = self._progress.add_task("", total=epochs, text="")

    def __enter__(self) -> EpochDisplay:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, line: str) -> None:
        """A line above the bar. click's echo would go past the bar, and past its encoding."""
        self._console.print(line, soft_wrap=True)

    def show(self, epoch: Epoch) -> None:
        """Validation accuracy of each exit after an epoch."""
        exits = "  ".join(f"{name} {value:.1%}" for name, value in epoch.accuracy.items())
        if self._progress is not None:
            self._progress.update(self._task, completed=epoch.epoch)
            if exits:
                self._progress.update(self._task, text=exits)
        else:
            parts = [f"epoch {epoch.epoch}/{self._epochs}", f"loss {epoch.loss:.3f}", exits]
            parts.append(f"{epoch.seconds:.2f} s")
            self._console.print("  ".join(filter(None, parts)), soft_wrap=True)


@click.command(name="train")
@click.argument("topology", required=False)
@click.option("--data", "card", metavar="CARD", help="Data card: a file or a shipped name.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the run.")
@click.option(
    "--preset",
    type=click.Choice(["robust", "accurate", "paper", "images"]),
    default="robust",
    show_default=True,
    help="accurate: robust on devices with four times the filters, in 32 bits; images: residual "
    "networks on many single images.",
)
@seed_option
@click.option("--epochs", type=click.IntRange(min=1), help="In all; the preset's by default.")
@click.option("--batch", type=click.IntRange(min=2), help="Samples an update.")
@click.option("--learning-rate", type=FiniteRange(min=0, min_open=True))
@click.option("--device-dropout", type=FiniteRange(0, 1, max_open=True))
@click.option(
    "--dropout-by",
    type=click.Choice(["rate", "count"]),
    help="count: every number of lost devices is as likely.",
)
@click.option(
    "--distillation",
    type=FiniteRange(0, 100),
    help="Weight of answering without lost devices as with them.",
)
@click.option(
    "--augment",
    type=click.Choice(["none", "scene", "crop"]),
    help="scene: mirror, shift, zoom and re-light all views of a sample alike; crop: each image "
    "by itself. Not for tiles of one image.",
)
@click.option(
    "--view-mixing",
    type=FiniteRange(0, 1),
    help="Share of views taken from another sample of the class.",
)
@click.option("--weight-decay", type=FiniteRange(0, 1))
@click.option(
    "--evaluate-every",
    type=click.IntRange(min=1),
    metavar="EPOCHS",
    help="Validate after every so many epochs, and after the last.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="bfloat16: faster on processors that compute in it, for residual networks.",
)
@click.option(
    "--start-from",
    metavar="RUN",
    help="Begin with that run's weights where names and shapes agree.",
)
@click.option(
    "--freeze",
    multiple=True,
    metavar="TIER",
    help="Leave that tier as it is, or with TIER.trunk all but its exit; repeatable.",
)
@click.option(
    "--exit-weight",
    "exit_weights",
    type=(str, FiniteRange(min=0)),
    multiple=True,
    metavar="EXIT WEIGHT",
    help="Of that exit's loss, 1 by default; repeatable.",
)
@click.option(
    "--tracker",
    "tracker_names",
    type=click.Choice(["tensorboard", "mlflow"]),
    multiple=True,
    help="Write the curves there too; repeatable.",
)
@click.option(
    "--tier-rate",
    "tier_rates",
    type=(str, FiniteRange(min=0)),
    multiple=True,
    metavar="TIER SHARE",
    help="That tier's learning rate, in parts of the others'; repeatable.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there.")
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with an unfinished run."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    topology: str | None,
    *,
    card: str | None,
    out: Path | None,
    resume: Path | None,
    as_json: bool,
    tracker_names: tuple[str, ...],
    **options: Any,
) -> None:
    """Train TOPOLOGY's network jointly: a file, or the name of one that ships with ddnn.

    Started by `torchrun ... -m ddnn train`, on several processes, GPUs or machines.
    """
    with joined() as group:
        if group.leads:
            _lead(
                topology,
                card,
                out=out,
                resume=resume,
                as_json=as_json,
                tracker_names=tracker_names,
                options=options,
            )
        else:
            follow_run(group)


def _lead(
    topology: str | None,
    card: str | None,
    *,
    out: Path | None,
    resume: Path | None,
    as_json: bool,
    tracker_names: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    folder = resume or out
    if resume is not None:
        _check_alone(topology)
    if folder is None or (resume is None and (topology is None or card is None)):
        raise click.UsageError("want TOPOLOGY, --data CARD and --out RUN, or --resume RUN")
    tracking = Tracking(tracker_names, folder, lambda line: click.echo(line, err=True))
    try:
        if topology is None or card is None:
            run = _resume(folder, options["epochs"], tracking)
        else:
            run = _train(topology, card, folder, options, tracking)
    except KeyboardInterrupt:
        tracking.end()
        if not is_run(folder):
            raise DdnnError("interrupted before the first epoch; nothing is kept") from None
        raise DdnnError(
            f"interrupted; the last finished epoch is kept, go on with ddnn train --resume {folder}"
        ) from None
    report = evaluate_run(run)
    tracking.end(report)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        print_offline(report)
        click.echo(f"run: {run.folder}")


def _train(topology: str, card: str, out: Path, options: dict[str, Any], tracking: Tracking) -> Run:
    preset = options.pop("preset")
    exits = dict(options.pop("exit_weights")) or None
    changes = options | {
        "exit_weights": exits,
        "freeze": options["freeze"] or None,
        "tier_rates": dict(options["tier_rates"]) or None,
    }
    epochs = options["epochs"] or settings_for(preset).epochs
    with EpochDisplay(epochs) as display:
        return train(
            topology,
            data=card,
            out=out,
            preset=preset,
            on_epoch=both(display.show, tracking.epoch),
            say=display.say,
            **changes,
        )


WITH_RESUME = ("resume", "epochs", "tracker_names", "as_json")
"""Options that a run which is gone on with takes; the others are its own."""


def _check_alone(topology: str | None) -> None:
    """Raises UsageError for what --resume would not follow."""
    context = click.get_current_context()
    given = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if isinstance(parameter, click.Option)
        and parameter.name not in WITH_RESUME
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if topology is not None:
        given.insert(0, topology)
    if given:
        raise click.UsageError(
            f"--resume takes topology, data and settings from the run, want no {', '.join(given)}"
        )


def _resume(folder: Path, epochs: int | None, tracking: Tracking) -> Run:
    total = epochs or read_config(folder).settings.epochs
    if is_finished(folder) and epochs_done(folder) == total:
        click.echo(
            f"{folder}: has all its {total} epochs, --epochs N with a larger N goes on", err=True
        )
    with EpochDisplay(total) as display:
        on_epoch = both(display.show, tracking.epoch)
        return resume_run(folder, epochs=epochs, on_epoch=on_epoch)
