"""The samples that a bundle is tried on."""

from __future__ import annotations

from collections.abc import Mapping

from ddnn.bundle.load import Bundle
from ddnn.data.checks import check_card_there, check_fits, check_unchanged, part_of
from ddnn.data.loading import load
from ddnn.data.multiview import MultiView
from ddnn.data.viewnames import as_trained
from ddnn.errors import ConfigError
from ddnn.paths import text_to_path


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
