"""`ddnn calibrate`: chooses a run's thresholds again, for another goal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ddnn.api.offline import calibrate
from ddnn.cli.options import FiniteRange, run_argument
from ddnn.report.tables import percent
from ddnn.training.calibrate import SAMPLES


@click.command(name="calibrate")
@run_argument
@click.option(
    "--accuracy",
    type=FiniteRange(0, 1),
    help="Wanted, as the mean of all devices present and each one lost; with the fewest bytes.",
)
@click.option(
    "--bytes",
    "payload_bytes",
    type=FiniteRange(min=0),
    help="Payload budget per device and sample, with the best accuracy.",
)
@click.option(
    "--early-share", type=FiniteRange(0, 1), help="Answered below the last exit, at least."
)
@click.option("--json", "as_json", is_flag=True, help="Print the rules as JSON.")
def command(
    run: Path,
    accuracy: float | None,
    payload_bytes: float | None,
    early_share: float | None,
    as_json: bool,
) -> None:
    """Choose RUN's thresholds and temperatures from its validation samples, or from its
    training samples where its card holds none out.

    Without an option: as many early answers as cost at most half a point of accuracy against the
    last exit, as far as the samples can tell, and at most 95 % of them; and, for when devices are
    lost, a threshold for each number of them, chosen on samples without so many.
    """
    goals = {"--accuracy": accuracy, "--bytes": payload_bytes, "--early-share": early_share}
    given = [f"{option} {value:g}" for option, value in goals.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"want one of {', '.join(goals)}; got {', '.join(given)}")
    calibration = calibrate(
        run, accuracy=accuracy, payload_bytes=payload_bytes, early_share=early_share
    )
    if as_json:
        click.echo(json.dumps(calibration.as_json(), indent=2))
        return
    for name, rule in calibration.rules.items():
        threshold = "always answers" if rule.threshold is None else f"T {rule.threshold:.4f}"
        if rule.threshold_lost:
            lost = ", ".join(f"{threshold:.4f}" for threshold in rule.threshold_lost)
            threshold += f" (where 1, 2, ... devices are lost: {lost})"
        click.echo(f"{name}: {threshold}, temperature {rule.temperature:.3f}")
    point, samples = calibration.point, SAMPLES[calibration.split]
    click.echo(
        f"on {samples}: {percent(point.accuracy)} right (mean of all devices present and each one "
        f"lost); with all present {percent(point.early_share)} early, {point.payload_bytes:.1f} "
        "payload bytes per device and sample"
    )
    if calibration.split == "train":
        click.echo("the card holds no validation samples out: on new data expect less")
