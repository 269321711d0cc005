"""`ddnn cut MODEL`: what each place costs at which a network can be cut in two."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ddnn.api.cutting import cut
from ddnn.cli.options import FiniteRange, json_option
from ddnn.errors import ConfigError
from ddnn.report.files import check_writable, write_csv
from ddnn.report.plots import plot_cuts
from ddnn.report.tables import plain_console, table
from ddnn.training.cuts import Cut, threshold_for
from ddnn.training.evaluate import THRESHOLDS

CUTS, PICTURE = "cuts.csv", "cuts.png"


class JsonObject(click.ParamType[dict[str, Any]]):
    """`{"width": 16}`."""

    name = "JSON"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, Any]:
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.fail(f"{value!r}, want an object, for example '{{\"width\": 16}}'", param, ctx)
        return found


@click.command(name="cut")
@click.argument("model")
@click.option("--data", required=True, metavar="CARD", help="Pixels that it sees.")
@click.option("--split", type=click.Choice(["train", "validation", "test", "all"]), default="test")
@click.option("--view", type=click.IntRange(min=0), default=0, help="Which camera's.")
@click.option("--args", type=JsonObject(), default="{}", help="What MODEL is called with.")
@click.option("--weights", metavar="NAME", help="A safetensors file, or torchvision:NAME.")
@click.option("--imagenet", is_flag=True, help="Scale pixels as torchvision's weights want.")
@click.option(
    "--samples", type=click.IntRange(min=9), default=32, show_default=True, help="Measured.",
)  # fmt: skip
@click.option(
    "--bits", type=click.Choice(["1", "2", "4", "8", "32"]), default="8", show_default=True,
    help="Of a value sent.",
)  # fmt: skip
@click.option(
    "--link", "link_kbps", type=FiniteRange(min=0, min_open=True), default=1000, show_default=True,
    metavar="KBPS", help="Between device and server.",
)  # fmt: skip
@click.option(
    "--server", "server_speed", type=FiniteRange(min=0, min_open=True), default=10,
    show_default=True, metavar="TIMES", help="How many times as fast as this machine it is.",
)  # fmt: skip
@click.option(
    "--run", type=click.Path(path_type=Path), help="Run whose T gives as many early answers."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="cut", show_default=True,
    help="Folder for the table.",
)  # fmt: skip
@json_option
def command(
    model: str, *, run: Path | None, out: Path, bits: str, link_kbps: float, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Measure, for each place at which MODEL can be cut: device time, weights and bytes.

    MODEL is PACKAGE.MODULE:NAME, a class of modules or a function annotated to return one. Writes
    cuts.csv and cuts.png.
    """
    check_writable(out)
    sweep = _sweep(run)
    cuts = cut(model, link_kbps=link_kbps, bits=int(bits), **options)  # type: ignore[arg-type]
    rows = [_row(each, link_kbps, sweep) for each in cuts]
    write_csv(out / CUTS, list(rows[0]), [list(row.values()) for row in rows])
    plot_cuts(out / CUTS, out / PICTURE, link_kbps=link_kbps)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    _print(rows, link_kbps, with_thresholds=bool(sweep))
    click.echo(f"{out / CUTS}\n{out / PICTURE}")


def _sweep(run: Path | None) -> list[dict[str, str]]:
    """Rows of the run's thresholds.csv."""
    if run is None:
        return []
    try:
        with (run / THRESHOLDS).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise ConfigError(f"{run / THRESHOLDS}: {error.strerror}, want an evaluated run") from error


def _row(each: Cut, link_kbps: float, sweep: list[dict[str, str]]) -> dict[str, Any]:
    share = each.early_share
    row = asdict(each) | {
        "shape": "x".join(map(str, each.shape)),
        "total_ms": each.total_ms(link_kbps),
        "threshold": None if share is None else threshold_for(sweep, share),
    }
    if each.break_even_kbps == math.inf:
        row["break_even_kbps"] = "any"
    return {
        key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()
    }


def _print(rows: list[dict[str, Any]], link_kbps: float, *, with_thresholds: bool) -> None:
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {
        "layer": ("layer", str),
        "shape": ("sent", str),
        "device_ms": ("ms", "{:.2f}".format),
        "weight_bytes": ("kB held", lambda value: f"{value / 1000:.1f}"),
        "raw_bytes": ("bytes", str),
        "coded_bytes": ("coded", "{:.0f}".format),
        "log2_volume": ("log2", "{:.1f}".format),
        "total_ms": ("total ms", "{:.2f}".format),
        "break_even_kbps": ("Mbps", _mbps),
        "early_share": ("early", "{:.0%}".format),
    }
    if with_thresholds:
        columns["threshold"] = ("T", "{:.2f}".format)
    made = table(
        f"cuts; total at {link_kbps:g} kbps", *(heading for heading, _ in columns.values())
    )
    for row in rows:
        cells = ((row[key], written) for key, (_, written) in columns.items())
        made.add_row(*("–" if value is None else written(value) for value, written in cells))
    plain_console().print(made)


def _mbps(kbps: float | str) -> str:
    if isinstance(kbps, str):
        return kbps
    return f"{kbps / 1000:,.0f}" if kbps >= 10_000 else f"{kbps / 1000:.2f}"
