"""`ddnn data list|show|render|import`: what data sets there are, what is in one, and new ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ddnn import shipped
from ddnn.data import load, load_card
from ddnn.data.availability import availability
from ddnn.data.contactsheet import chosen_samples, write_contact_sheet
from ddnn.data.importers.written import KINDS, import_data
from ddnn.data.rendered import render_to
from ddnn.data.summary import PARTS, Summary, summarise
from ddnn.errors import ConfigError, DdnnError
from ddnn.paths import text_to_path

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, nothing else")


@click.group()
def command() -> None:
    """List, show, render or import data sets."""


@command.command("list")
@JSON
def list_cards(as_json: bool) -> None:
    """List the data cards that come with ddnn and whether their data are there."""
    rows = [_listed(name) for name in shipped.names("datasets")]
    if as_json:
        _print_json(rows)
        return
    table = Table("card", "kind", "classes", "split by", "data")
    for row in rows:
        table.add_row(*(row[key] for key in ("name", "kind", "classes", "split", "data")))
    Console(markup=False, emoji=False).print(table)


@command.command()
@click.argument("card")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="[default: NAME.png]")
@click.option("--samples", type=click.IntRange(1, 200), default=12, show_default=True)
@JSON
def show(card: str, out: Path | None, samples: int, as_json: bool) -> None:
    """Count what is in a data set and draw some of it as a contact sheet (PNG).

    CARD is a card's path or the name of one that `ddnn data list` shows.
    """
    data_set = load(card)
    path = out or Path(text_to_path(f"{data_set.name}.png"))
    write_contact_sheet(data_set, chosen_samples(data_set, samples), path)
    summary = summarise(data_set)
    if as_json:
        _print_json({**summary.as_json(), "contact_sheet": str(path)})
        return
    _print_summary(summary)
    click.echo(f"contact sheet: {path}")


@command.command()
@click.option("--samples", type=click.IntRange(1, 100_000), default=851, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@JSON
def render(samples: int, seed: int, out: Path, as_json: bool) -> None:
    """Render samples into an .npz with `X` and `y`, which a card of kind npz reads."""
    if out.suffix != ".npz":
        raise ConfigError(f"--out {out}: want a name that ends in .npz")
    digest = render_to(out, samples=samples, seed=seed)
    if as_json:
        _print_json({"out": str(out), "samples": samples, "seed": seed, "sha256": digest})
        return
    click.echo(f"{out}: {samples} samples of seed {seed}, sha256 {digest}")


@command.command("import")
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", "card", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--size", type=click.IntRange(1, 1024), default=32, show_default=True)
@click.option("--grey", is_flag=True, help="One channel in place of three")
@JSON
def import_(kind: str, source: Path, card: Path, *, size: int, grey: bool, as_json: bool) -> None:
    """Turn data in another layout into a card and an archive.

    SOURCE is a folder (wildtrack, mot, modelnet40, imagefolders) or a file (coco). --out names the
    card, CARD.yaml; CARD.npz is written beside it.
    """
    found = import_data(kind, source, card, size=size, channels=1 if grey else 3)
    if as_json:
        counts = {"samples": len(found.samples), "views": list(found.views)}
        _print_json({"card": str(card), **counts, "classes": list(found.classes)})
        return
    click.echo(
        f"{card}: {len(found.samples)} samples of {', '.join(found.classes)}, "
        f"seen by {', '.join(found.views)}"
    )


def _listed(name: str) -> dict[str, str]:
    """One row of the list; a card that is wrong is listed with what is wrong."""
    row = {"name": name, "kind": "", "classes": "", "split": ""}
    try:
        card = load_card(name)
    except DdnnError as error:
        return {**row, "data": f"wrong card: {error}"}
    classes = ", ".join(card.classes) if card.classes else "of the set"
    data = availability(card, shipped.find("datasets", name))
    return {**row, "kind": card.kind, "classes": classes, "split": card.split.by, "data": data}


def _print_summary(summary: Summary) -> None:
    differ = summary.view_shape is None
    of = "different kinds" if summary.view_shape is None else _sizes(summary.view_shape)
    click.echo(f"{summary.name}: {summary.samples} samples, {len(summary.views)} views of {of}")
    table = Table("", *summary.classes, "all")
    for name in PARTS:
        part = summary.parts[name]
        table.add_row(name, *map(str, part.classes.values()), str(part.samples))
    table.add_section()
    for number, view in enumerate(summary.views):
        present = f"{100 * view.present:.1f} % present"
        kind = f", {view.type} {_sizes(view.shape)}" if differ else ""
        table.add_row(
            f"view {number}: {view.name}{kind}", *map(str, view.classes.values()), present
        )
    Console(markup=False, emoji=False).print(table)
    click.echo(f"digest: {summary.digest}")


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
