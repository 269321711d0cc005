"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ddnn.bundle.load import Bundle
from ddnn.data.fits import check_card_there, check_fits, check_unchanged, part_of
from ddnn.data.loading import load
from ddnn.data.multiview import MultiView
from ddnn.data.viewnames import as_trained, parse_map
from ddnn.errors import ConfigError
from ddnn.paths import text_to_path
from ddnn.run.hosts import check_reachable
from ddnn.run.links import check_links
from ddnn.topology import Topology, read_topology

F = TypeVar("F", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """Numbers of a range, NaN and infinity not among them."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


run_argument = click.argument("run", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
pid_option = click.option("--pid", type=int, help="Process id of the launch, when several run.")
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True
)
keys_option = click.option(
    "--keys", type=click.Path(path_type=Path), metavar="FOLDER", help="Made by `ddnn keys`."
)
insecure_option = click.option(
    "--insecure", is_flag=True, help="Listen to other machines without encryption."
)
plan_option = click.option(
    "--plan", "plan_name", metavar="PLAN", help="Failure plan: a file or shipped name."
)
_card = click.option("--data", "card", metavar="CARD", help="Another data card than the run's own.")
_split = click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="test",
    show_default=True,
)


def _view_map(_ctx: object, _param: object, given: tuple[str, ...]) -> dict[str, str] | None:
    return parse_map(",".join(given)) if given else None


_map_views = click.option(
    "--map-views",
    "view_map",
    multiple=True,
    metavar="VIEW=OTHER,...",
    callback=_view_map,
    help="Which view of the data stands for which that the network was trained on.",
)


def data_options(command: F) -> F:
    """`--data CARD`, `--split PART` and `--map-views`: what a trained network is tried on."""
    return _card(_split(_map_views(command)))


def topology_of(file: str) -> Topology:
    """The topology of a file or shipped name, checked as a whole: also what its links
    emulate, and that its hosts reach each other.

    Raises ConfigError naming the file and the key path.
    """
    topology = read_topology(file)
    check_links(topology, source=file)
    check_reachable(topology, source=file)
    return topology


def samples_of(
    bundle: Bundle, card: str | None, split: str, view_map: Mapping[str, str] | None = None
) -> MultiView:
    """A part of the card's data, by default of the card that the bundle was trained on.

    Its views are those trained on, by name and in the devices' order.
    Raises ConfigError where the bundle names none, its own has changed since, or it is not what
    the devices see.
    """
    own, digest = (bundle.manifest.data.get(key) for key in ("card", "digest"))
    if card is None and not isinstance(own, str):
        raise ConfigError(f"{bundle.folder}: names no data card, want --data CARD")
    own = text_to_path(str(own))
    if card is None:
        check_card_there(own, wanted_by=bundle.folder)
    data = load(card or own)
    part = part_of(data, split, card=card or own)
    check_fits(bundle.topology, part, card=card or own, wanted_by=bundle.folder)
    if card is None:
        check_unchanged(data, str(digest), card=own, wanted_by=bundle.folder)
    return as_trained(
        part,
        bundle.manifest.views or (),
        view_map,
        card=card or own,
        wanted_by=bundle.folder,
    )
