"""Gives each device the view that it was trained on, by the view's name and not by its place.

A network keeps the names of the views it was trained on, in the order of its devices. Data that
have the same names in another order are put in order; other names are refused, unless it is said
which view of the data stands for which: `--map-views left=cam0,right=cam1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ddnn.data.multiview import MultiView
from ddnn.errors import ConfigError
from ddnn.names import normal

OPTION = "--map-views"


def parse_map(text: str) -> dict[str, str]:
    """`left=cam0,right=cam1` as the network's names and the data's.

    Raises ConfigError for anything else, and for a name that is given twice.
    """
    found: dict[str, str] = {}
    for pair in text.split(","):
        own, equals, other = (normal(piece.strip()) for piece in pair.partition("="))
        if not (own and equals and other):
            raise ConfigError(f"{OPTION}: got {pair!r}, want VIEW=OTHER: the network's, the data's")
        if own in found or other in found.values():
            twice = own if own in found else other
            raise ConfigError(f"{OPTION}: view {twice!r} is given twice, want each once")
        found[own] = other
    return found


def as_trained(
    samples: MultiView,
    trained: Sequence[str],
    view_map: Mapping[str, str] | None = None,
    *,
    card: object,
    wanted_by: object,
) -> MultiView:
    """The samples with the views that a network was trained on, in its order, by its names.

    trained: the network's names; none where it keeps none.
    view_map: by the network's name, the data's name of a view, where they differ.
    card, wanted_by: whence the samples and the network are.
    Raises ConfigError for views that are missing, too many or unknown.
    """
    renamed = dict(view_map or {})
    if not trained:
        if renamed:
            raise ConfigError(
                f"{OPTION}: {wanted_by} keeps no names of views, want it trained anew"
            )
        return samples
    _check_known(renamed, trained, of=wanted_by)
    _check_known(renamed.values(), samples.view_names, of=card)
    wanted = [renamed.get(name, name) for name in trained]
    if sorted(wanted) != sorted(samples.view_names):
        raise ConfigError(
            f"{card}: has views {', '.join(samples.view_names)}, {wanted_by} was trained on "
            f"{', '.join(trained)}; want the same, or {OPTION} VIEW=OTHER,... to say which view "
            "stands for which"
        )
    return replace(in_order_of(samples, wanted), view_names=tuple(trained))


def in_order_of(samples: MultiView, names: Sequence[str]) -> MultiView:
    """The samples with their views in another order; `names` are all of theirs."""
    if tuple(names) == samples.view_names:
        return samples
    return samples.seen_by([samples.view_names.index(name) for name in names])


def _check_known(names: Iterable[str], known: Sequence[str], *, of: object) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"{OPTION}: no view {name!r} in {of} (known: {', '.join(known)})")
