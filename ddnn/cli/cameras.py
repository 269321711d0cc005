"""`ddnn cameras`: ties pictures to the ground, and joins boxes of several cameras by it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click
import numpy as np

from ddnn.cli.options import FiniteRange
from ddnn.errors import ConfigError
from ddnn.live.objects import Box, Ground, PointsFile, beside, box_of, calibrate, line_of
from ddnn.report.files import write_json
from ddnn.yamlfile import read_yaml

_file = click.Path(path_type=Path)
PIXELS = 10
"""That a point which was clicked, or a box, may easily be off."""


@click.group(name="cameras")
def command() -> None:
    """Find out which boxes of several cameras are one object, by a common ground plane."""


@command.command(name="calibrate")
@click.argument("points", type=_file)
@click.option("--out", type=_file, default=Path("ground.json"), show_default=True)
@click.option("--picture", type=_file, metavar="PNG", help="Draw the ground there.")
def calibrate_command(points: Path, *, out: Path, picture: Path | None) -> None:
    """Tie each camera of the POINTS file to the ground, by four points or more."""
    found = calibrate(points)
    write_json(out, found)
    for name, tied in found["cameras"].items():
        click.echo(f"{name}: its points miss by {tied['error_m']:.3f} m (root mean square)")
    if picture is not None:
        from ddnn.report.plots import plot_ground  # noqa: PLC0415  # of ddnn[train]

        drawn = {}
        for name, camera in read_yaml(points, PointsFile).cameras.items():
            points_N4 = np.array(camera.points, dtype=float)
            homography = np.array(found["cameras"][name]["homography"])
            drawn[name] = points_N4[:, 2:], beside(homography, points_N4[:, :2], PIXELS)
        plot_ground(picture, drawn, f"o as said, crosses as mapped: {PIXELS} pixels each way")


@command.command(name="join")
@click.argument("ground", type=_file)
@click.option(
    "--within-m",
    type=FiniteRange(min=0.001),
    default=1.0,
    show_default=True,
    metavar="M",
    help="How far from an object's middle a box may stand.",
)
def join_command(ground: Path, *, within_m: float) -> None:
    """Read boxes from standard input, a line of JSON each, and print the objects of each time. A
    line that is no box of these cameras is told on standard error and left out."""
    tied = Ground.read(ground)
    lines = (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
    for time_s, group in groupby(boxes_of(lines, tied), key=lambda each: each[0]):
        for found in tied.join([box for _, box in group], within_m=within_m):
            click.echo(line_of(time_s, found))


def boxes_of(lines: Iterable[str], tied: Ground) -> Iterator[tuple[float, Box]]:
    """Their times and boxes, of those that stand on the ground. Tells of others, and at the end
    how many they were."""
    left_out = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            time_s, box = box_of(line)
            tied.place(box)
        except ConfigError as error:
            left_out += 1
            click.echo(f"line {number}: {error}; left out", err=True)
            continue
        yield time_s, box
    if left_out:
        click.echo(f"lines left out: {left_out}", err=True)
