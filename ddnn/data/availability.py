"""Whether the data of a card are at hand, without reading them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ddnn.data.card import Card, FolderCard, NpzCard, RenderedCard, SensorsCard, TableCard
from ddnn.data.source import resolve
from ddnn.errors import ConfigError


def availability(card: Card, card_file: Path) -> str:
    """`built in`, `ready`, `needs ...` or `missing: ...`."""
    if isinstance(card, RenderedCard | SensorsCard):
        return "built in"
    if isinstance(card, NpzCard | FolderCard | TableCard):
        return _at(card_file, card.path)
    if card.images == "digits":
        return "built in" if find_spec("sklearn") else "needs ddnn[train]"
    if card.images == "ImageFolder":
        return _at(card_file, card.path or "")
    if not find_spec("torchvision"):
        return "needs ddnn[train]"
    return "downloaded when used" if card.download else "needs download: true or a copy"


def _at(card_file: Path, path: str) -> str:
    try:
        resolve(card_file, path)
    except ConfigError:
        return f"missing: {path}"
    return "ready"
